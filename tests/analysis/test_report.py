"""Reports of ordinary, pathological and large records."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.questions.verdict import verdicts
from analysis.records import Records
from analysis.report import FORMATS, write_report
from analysis.sections import trained
from dropattack import UsageError
from tests.analysis import synthetic
from trainables.recipe.settings import TrainingSettings

SMALL: dict[str, Any] = {"targets": ["input", "conv1.w"], "epsilons": [1, 5], "ps": [0.5, 0.7]}


class Page(HTMLParser):
    """Checks that elements nest, and collects text, ids, links and references to elsewhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "path", "rect", "use", "br"):
            self.open.append(tag)
        values = dict(attributes)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if tag == "a" else []
        self.sources += [
            v or "" for k, v in attributes if k in ("src", "srcset") or (tag == "link" and k == "href")
        ]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [v or "" for k, v in attributes if k == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "rect", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(records: Records, tmp_path: Path) -> Page:
    return Page(write_report(records, tmp_path / "report"))


def test_everything_a_report_is_made_of(tmp_path: Path) -> None:
    page = report(synthetic.records(), tmp_path)
    assert (
        "2 of 3 target sets beat the baseline significantly in test accuracy (Holm's correction over the 3)"
        in page.text
    )
    assert "dropattack run synthetic.yaml" in page.text
    assert "name: synthetic\nstages:\n- name: grid\n  search: {kind: grid}" in page.text
    assert "torch 2.13.0" in page.text
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert page.sources == []
    assert not re.search(r'(?:src|href)="(?!#|data:image/png|http://127\.0\.0\.1)', page.source)
    assert any(link.startswith("http://127.0.0.1:5000/#/run") for link in page.links)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["dropattack run demo --set 'seeds=[0, 1]'"], "dropattack run demo --set 'seeds=[0, 1]'"),
        (["dropattack run demo", "", "python mine.py", ""], "python mine.py"),
        ([""], "dropattack run synthetic.yaml"),
    ],
)
def test_what_was_typed_is_what_reproduces(typed: list[str], told: str, tmp_path: Path) -> None:
    """The page also says how its own file is run, for those who lack what was typed."""
    records = synthetic.records(synthetic.trials(**SMALL), runs=[{"command": each} for each in typed])
    page = report(records, tmp_path)
    write_report(records, tmp_path, ["md"])
    (command, _) = re.findall(r'<pre tabindex="0">(.*?)</pre>', page.source, flags=re.DOTALL)
    assert html.unescape(command) == told
    assert "dropattack run synthetic.yaml runs it" in page.text
    markdown = (tmp_path / "report.md").read_text()
    assert f"    {told}\n" in markdown


def test_the_answer_is_the_first_screen(tmp_path: Path) -> None:
    """Before anything else the verdict's own sentences and one figure; each stands on the page once."""
    records = synthetic.records(synthetic.trials(**SMALL))
    page = report(records, tmp_path)
    lines = [line for verdict in verdicts(records) for line in verdict.lines()]
    text = page.text[page.text.index("The answer", page.text.index("Reproduce")) :]
    places = [text.index(line.replace("`", "")) for line in lines]
    assert places == sorted(places)
    assert [text.count(line.replace("`", "")) for line in lines] == [1] * len(lines)
    figure, others = text.index("gain over plain training"), text.index("Methods and controls")
    measured = text.index("How this was measured")
    assert places[-1] < figure < others < measured < text.index("Best configurations")
    assert page.source.index('id="verdict"') < page.source.index("<svg") < page.source.index('id="works"')
    write_report(records, tmp_path, ["md"])
    markdown = (tmp_path / "report.md").read_text()
    assert markdown.index("## The answer") < markdown.index("## Methods and controls")
    assert not re.search(r"−0\.0+(?!\d)", page.text)


def test_what_was_trained_by_hand() -> None:
    """What all workloads share stands there once, with what varied, and what nobody chose."""
    frame = synthetic.trials(**SMALL, workloads=["a", "b"], seeds=[0])
    frame["model.width"] = np.where(frame["workload"] == "a", 8, 16)
    frame["norm"] = np.where(frame["method"] == "dropattack", "l2", None)
    table = trained.settings(synthetic.records(frame))
    plain = [text.replace("\N{NO-BREAK SPACE}", " ") for text in table["settings"]]
    assert list(zip(table["of"], table["workload"], plain, strict=True)) == [
        ("training", "all", "epochs 5 · train_size 0"),
        ("model", "a", "width 8"),
        ("model", "b", "width 16"),
        ("dropattack", "all", "targets conv1.w, input · epsilon 1, 5 · p 0.5, 0.7 · k 1 · norm l2"),
    ]


@pytest.mark.parametrize(
    ("chosen", "idle", "meant"),
    [
        ({"optimizer": "adam"}, ["momentum", "nesterov"], ["beta1"]),
        ({"optimizer": "sgd"}, ["beta1"], ["momentum"]),
        ({"schedule": "constant"}, ["gamma", "milestones"], []),
        ({"schedule": "step"}, [], ["gamma", "milestones"]),
        ({"average": "ema"}, [], ["average_decay"]),
        ({"train_size": 100}, [], ["balanced"]),
        ({"examples": "both"}, [], ["examples_epsilon"]),
        ({}, ["average_decay", "balanced", "examples_epsilon"], ["epochs"]),
    ],
)
def test_settings_that_meant_nothing_are_left_out(
    chosen: dict[str, Any], idle: list[str], meant: list[str]
) -> None:
    own = TrainingSettings.from_dict(chosen).to_dict()
    frame = synthetic.trials(**SMALL, seeds=[0]).assign(**{f"training.{n}": v for n, v in own.items()})
    table = trained.settings(synthetic.records(frame))
    (text,) = table.loc[table["of"] == "training", "settings"]
    shown = {part.partition("\N{NO-BREAK SPACE}")[0] for part in text.split(" · ")}
    assert shown.isdisjoint(idle)
    assert shown >= set(meant)


def test_figures_can_be_read_aloud(tmp_path: Path) -> None:
    page = report(synthetic.records(synthetic.trials(**SMALL)), tmp_path)
    figures = page.source.count('<svg role="img"')
    assert figures == page.source.count("<desc id=") == page.source.count("<figure") > 4


def test_equal_records_give_equal_bytes_whatever_their_order(tmp_path: Path) -> None:
    frame = synthetic.trials(targets=["input", "conv1.w"], epsilons=[5], ps=[0.5, 0.7], seeds=range(3))
    curves = synthetic.epochs(frame)
    first = synthetic.records(frame, epochs=curves)
    again = synthetic.records(
        frame.sample(frac=1, random_state=1), epochs=curves.sample(frac=1, random_state=2)
    )
    write_report(first, tmp_path / "a", FORMATS)
    write_report(again, tmp_path / "b", FORMATS)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".html", ".md", ".png", ".svg", ".csv", ".parquet", ".tex"}
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)


@pytest.mark.parametrize("workloads", [["a"], ["a", "b"]])
def test_the_workload_has_a_column_where_there_are_several(workloads: list[str], tmp_path: Path) -> None:
    records = synthetic.records(synthetic.trials(**SMALL, workloads=workloads, seeds=range(2)))
    write_report(records, tmp_path, ("html", "md", "csv"))
    heading = '<button type="button">workload</button>'
    assert (heading in (tmp_path / "report.html").read_text()) == (len(workloads) > 1)
    assert ("| workload |" in (tmp_path / "report.md").read_text()) == (len(workloads) > 1)
    assert "workload" in pd.read_csv(tmp_path / "tables" / "configurations.csv")


def test_tables_are_written_whole(tmp_path: Path) -> None:
    records = synthetic.records(synthetic.trials(seeds=range(2)))
    write_report(records, tmp_path, ["csv"])
    table = pd.read_csv(tmp_path / "tables" / "configurations.csv")
    assert len(table) == 1 + 3 * 5 * 4, "the baseline and every attack; a p of 0 is none"


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format 'pdf'"):
        write_report(synthetic.records(), tmp_path, ["pdf"])


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the report"):
        write_report(Records(pd.DataFrame()), tmp_path / "file" / "report")


def test_empty_sweep(tmp_path: Path) -> None:
    assert "no recorded trial yet" in report(Records(pd.DataFrame()), tmp_path).text


def test_all_trials_failed(tmp_path: Path) -> None:
    frame = synthetic.trials(**SMALL).assign(state="failed", reason="CUDA out of memory", value=np.nan)
    page = report(synthetic.records(frame), tmp_path)
    assert "No trial is complete" in page.text
    assert f"{len(frame)} of {len(frame)} trials failed, for 1 reason" in page.text
    assert "CUDA out of memory" in page.text


def test_one_seed_is_said_to_show_nothing(tmp_path: Path) -> None:
    page = report(synthetic.records(synthetic.trials(**SMALL, seeds=[0])), tmp_path)
    assert "Fewer than 3 seeds do not show the spread" in page.text
    assert "too few to tell it from luck" in page.text


def test_one_cell(tmp_path: Path) -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5])
    page = report(synthetic.records(frame), tmp_path).text
    assert "tested ε×p combinations" not in page, "one cell is no map"
    assert "Best configurations" in page


def test_one_trial(tmp_path: Path) -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=[0]).tail(1)
    assert "No baseline" in report(synthetic.records(frame), tmp_path).text


def test_missing_and_infinite_metrics_are_failures_with_a_reason(tmp_path: Path) -> None:
    frame = synthetic.trials(**SMALL)
    frame.loc[frame.index[:4], "value"] = [np.nan, np.inf, -np.inf, np.nan]
    frame["test_accuracy"] = np.nan
    page = report(synthetic.records(frame), tmp_path)
    assert "4 of" in page.text
    assert "the selected metric is not a finite number" in page.text


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>|`$1^$'
    frame = synthetic.trials(**SMALL).replace({"digits-lenet5": evil, "input": f"input+{evil}"})
    frame.loc[0, ["state", "reason"]] = ["failed", evil]
    sweep = {"name": evil, "summary": evil, "stages": [{"name": evil}]}
    records = synthetic.records(
        frame, sweep=sweep, versions={evil: evil}, run_url="javascript:{run_id}", runs=[{"host": evil}]
    )
    page = report(records, tmp_path)
    assert page.source.count("<script>") == 1
    assert "javascript:" not in page.source
    write_report(records, tmp_path / "other", [f for f in FORMATS if f != "html"])
    lines = (tmp_path / "other" / "report.md").read_text().splitlines()
    assert not any("<script>" in line for line in lines if not line.startswith("    "))


def test_sixty_target_sets(tmp_path: Path) -> None:
    targets = [f"input+fc{i}.w" for i in range(60)]
    frame = synthetic.trials(targets=targets, epsilons=[5], ps=[0.5], seeds=range(3))
    page = report(synthetic.records(frame), tmp_path)
    assert "The best 25 of 60 are drawn" in page.text


def test_loss_that_is_minimised(tmp_path: Path) -> None:
    frame = synthetic.trials(**SMALL)
    frame["value"] = frame["test_loss"]
    page = report(synthetic.records(frame, select="valid_loss", mode="min"), tmp_path)
    assert "beat the baseline significantly in test loss" in page.text


def test_sweep_that_is_still_running(tmp_path: Path) -> None:
    frame = synthetic.trials(**SMALL)
    frame.loc[frame.index[::2], ["state", "value"]] = ["running", np.nan]
    frame.loc[frame.index[::3], "state"] = "pruned"
    assert "running" in report(synthetic.records(frame), tmp_path).text


def test_methods_without_epsilon_or_targets(tmp_path: Path) -> None:
    frame = synthetic.trials(**SMALL)[lambda f: f["method"] == "standard"]
    sam = frame.assign(
        method="sam", rho=0.05, passes=2, key="sam" + frame["key"], value=frame["value"] + 0.01
    )
    frame = pd.concat([frame, sam]).drop(columns=["targets", "epsilon", "p", "k"])
    assert "sam" in report(synthetic.records(frame), tmp_path).text
