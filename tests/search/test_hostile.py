"""Stores and texts that somebody made on purpose: no path is left, and nothing is obeyed."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from dropattack import UsageError
from search.cli import app
from search.console.command import answer
from search.definition.sweep import Sweep
from search.records.notes import DATA
from search.records.provenance import Provenance
from search.records.reading import read_records
from search.records.store import Store
from search.results.reporting import report_sweep
from search.tracking.shown import ShownRuns, add_metrics, shown_of
from tests.search.journals import resealed
from tests.search.simulation import Driver, engine, sweep

Command = Callable[..., Result]
TEXTS = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>",
    "attribute": '" onmouseover="alert(1)" x="',
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "markdown": "[click](javascript:alert(1)) ![x](http://evil/pixel.png) <b>",
    "latex": r"\input{/etc/passwd}\write18{id} $x$ ^^5cinput",
    "formula": r"$\frac{$ and $\undefined$",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe",
    "markup": "[/nothing] [red]x[/red] [link=http://evil]y[/link] :smile:",
}


class Seen(HTMLParser):
    """What a page holds: its elements, its attributes, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.attributes.update(name for name, _ in attrs)
        self.links.update(value or "" for name, value in attrs if name in ("href", "src"))


def seen(page: str) -> Seen:
    parser = Seen()
    parser.feed(page)
    return parser


ATTACK = {"epsilon": [0.1, 1.0], "targets": "input"}
GRID = [
    {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0], "targets": "input"}}}
]


def made(root: Path, text: str = "") -> Store:
    """A store of a small sweep; its files hold a text wherever a text may stand, and good checksums."""
    store, definition = Store(root), sweep(stages=GRID)
    Driver(engine(store.folder("small"), definition)).run()
    path = store.journal_path("small")
    inside = json.dumps(text)[1:-1].encode()

    def changed(content: bytes) -> bytes:
        content = content.replace(b'"reused_from":""', b'"reused_from":"","reason":"%s"' % inside)
        for old in ("digits-lenet5", "dropattack", "input"):
            content = content.replace(f'"{old}"'.encode(), b'"%s"' % inside)
        return content.replace(b"/digits-lenet5", b"/" + inside).replace(b"dropattack ", inside + b" ")

    if text:
        path.write_bytes(resealed(path.read_bytes(), changed))
        methods = {"standard": ({},), text: (ATTACK | {"targets": text},)}
        definition = Sweep.model_validate(
            {
                "name": "small",
                "summary": text,
                "workloads": [text],
                "training": {"epochs": 9},
                "seeds": [0, 1],
            }
            | {"stages": [{"name": "grid", "methods": methods}]}
        )
    store.define(definition)
    facts = {"command": text, "host": text, "commit": text} if text else {"command": "run", "host": "h"}
    store.note_run("small", Provenance(**facts, versions={"torch": text or "2"}), begun=True)
    store.note("small", DATA, [text or "all"])
    return store


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the report of the same sweep is without such texts."""
    store = made(tmp_path_factory.mktemp("usual") / "runs")
    report_sweep("small", store)
    folder = store.report("small").parent
    return {path.suffix: path.read_text(encoding="utf-8") for path in (*folder.glob("report.*"),)}


def test_no_text_is_obeyed(command: Command, tmp_path: Path, usual: dict[str, str]) -> None:
    """By a browser, a terminal, Markdown, LaTeX or a template."""
    made(tmp_path / "runs", " ".join(TEXTS.values()))
    done = command("report", "small", "--format", "html,md,tex,csv,svg")
    assert (done.exit_code, done.stderr) == (0, "")
    folder = tmp_path / "runs/sweeps/small/report"
    page, plain = seen((folder / "report.html").read_text()), seen(usual[".html"])
    assert page.elements.get("script") == plain.elements.get("script") == 2
    assert page.elements.keys() <= plain.elements.keys()
    assert page.attributes <= plain.attributes
    assert not {link for link in page.links if link.startswith(("javascript:", "data:text"))}
    assert "49" not in _around((folder / "report.html").read_text(), "{{ 7")
    text = (folder / "report.md").read_text()
    prose = re.sub("^    .*$", "", text, flags=re.MULTILINE)  # what is set in is code
    assert not re.search(r"\]\((?!figures/)", prose)
    assert "<" not in prose
    assert not [c for c in prose if not c.isprintable() and c != "\n"]
    for path in (folder / "tables").glob("*.tex"):
        assert not re.search(r"(?<!\\)\\(input|write|undefined)", path.read_text())
        assert "^^" not in path.read_text()
    for path in (folder / "figures").glob("*.svg"):
        assert not {"script", "img"} & seen(path.read_text()).elements.keys()
    for words in (
        ["status"],
        ["status", "small"],
        ["sweeps", "small"],
        ["best", "small"],
        ["store", "check"],
    ):
        for options in ([], ["--json"]):
            done = command(*words, *options)
            assert done.exit_code in (0, 2), done.output
            shown = done.stdout + done.stderr
            assert not [c for c in shown if not c.isprintable() and c not in "\n\N{NO-BREAK SPACE}"], shown


def _around(text: str, what: str) -> str:
    at = text.find(what)
    return text[max(0, at) : at + 20] if at >= 0 else ""


PATHS = ("../../../../victim", "/etc/victim", "..", "a/b", "", "x" * 300, "\0", ".hidden", 7, None, ["a"])


@pytest.mark.parametrize("path", PATHS, ids=repr)
@pytest.mark.parametrize("field", ["key", "former", "reused_from"])
def test_no_path_is_left(tmp_path: Path, field: str, path: Any) -> None:
    """What a journal holds of files' names is a name, or the journal is damaged."""
    store = made(tmp_path / "runs")
    journal = store.journal_path("small")
    key = read_records(journal)[0].key

    def changed(content: bytes) -> bytes:
        entries = [json.loads(line) for line in content.splitlines()]
        for entry in entries:
            attributes = entry.get("user_attrs") or {}
            if attributes.get("key") == key:
                attributes[field] = path
        return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)

    journal.write_bytes(resealed(journal.read_bytes(), changed))
    harmless = path in (None, "") or (path == "a/b" and field == "reused_from")
    if not harmless or field == "key":
        with pytest.raises(UsageError, match="is damaged") as caught:
            read_records(journal)
        assert "\n" not in str(caught.value)
        return
    records = read_records(journal)
    for record in records:
        model = store.model("small", record)
        assert model.resolve().parent.parent.parent == (tmp_path / "runs" / "sweeps").resolve()


@pytest.mark.parametrize(
    "words",
    [
        *(["status", name] for name in ("../..", "/etc", "a/b", ".", "..", "x" * 300, "-", "\x1b[2J", "")),
        *(
            ["report", "../../x"],
            ["best", "/"],
            ["robustness", "..", "--attacks", "fgsm:1"],
            ["sweeps", "../x"],
        ),
        *(
            ["store", "check", "../x"],
            ["report", "small", "--against", "../../x"],
            ["run", "x" * 300 + ".yaml"],
        ),
        *(["plan", "demo", "--store", ""], ["plan", "demo", "--data", ""], ["status", "--store", "x" * 300]),
        *(["ui", "--port", "99999"], ["ui", "--port", "0"], ["plan", "demo", "--store", "a/" * 3000]),
        *(
            ["run", "demo", "--tracking-uri", "http://[::1"],
            ["plan", "demo", "--tracking-uri", "http://a:b@/x"],
        ),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_no_name_leads_out_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = answer(app, words), capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert ":b@" not in said.err
    assert not list(tmp_path.iterdir())


def test_a_report_makes_no_database(tmp_path: Path) -> None:
    store = made(tmp_path / "runs")
    before = {path.name for path in store.root.iterdir()}
    report_sweep("small", store, f"sqlite:///{tmp_path}/none.db")
    assert shown_of(store, "small", f"sqlite:///{'x' * 300}") == ShownRuns()
    for uri in ("", f"sqlite:///{tmp_path}/none.db", f"file://{tmp_path}/none", f"{tmp_path}/none"):
        assert shown_of(store, "small", uri) == ShownRuns()
        assert add_metrics(store, "small", uri, {"k": {"test_accuracy": 1.0}}) == ""
    assert {path.name for path in store.root.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


FORMATS = ("md", "svg", "csv", "parquet", "tex")


def test_a_report_replaces_links_and_follows_none(tmp_path: Path) -> None:
    """A store of somebody else's can hold links in place of every file that a report has."""
    store = made(tmp_path / "runs")
    report_sweep("small", store, formats=FORMATS)
    folder, outside = store.report("small").parent, tmp_path / "outside"
    outside.mkdir()
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix[1:] for path in written} == {*FORMATS, "png"}, "Markdown shows figures"
    for path in written:
        victim = outside / path.name
        victim.write_text("mine")
        path.unlink()
        path.symlink_to(victim)
    report_sweep("small", store, formats=FORMATS)
    assert {path.read_text() for path in outside.iterdir()} == {"mine"}
    assert not [path for path in written if path.is_symlink()]


@pytest.mark.parametrize("part", ["figures", "tables"])
def test_no_folder_of_a_report_leads_out_of_it(command: Command, tmp_path: Path, part: str) -> None:
    folder, outside = made(tmp_path / "runs").report("small").parent, tmp_path / "outside"
    outside.mkdir()
    folder.mkdir(parents=True)
    (folder / part).symlink_to(outside)
    done = command("report", "small", "--format", "html,md,png,svg,csv,tex")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "is a link that leads out of the report" in done.stderr
    assert not list(outside.iterdir())


def test_no_line_of_a_command_leaves_its_block(tmp_path: Path) -> None:
    """In Markdown what was typed stands as code, whatever lines it has."""
    store = made(tmp_path / "runs")
    ends = ["\n", "\n\n", "\r", "\x0b", "\x85", "\u2028", "\n\x1b]0;x\x07", "\u202e\n"]
    facts = {"command": "".join(f"run{end}<script>{end}[x](javascript:1)" for end in ends), "host": "h"}
    store.note_run("small", Provenance(**facts, commit="c", versions={}), begun=False)
    report_sweep("small", store, formats=("md",))
    lines = (store.report("small").parent / "report.md").read_text(encoding="utf-8").split("\n")
    typed = [line for line in lines if "<script" in line or "](javascript" in line]
    assert len(typed) == 2 * len(ends)
    assert all(line.startswith("    ") and line.isprintable() for line in typed)
