"""What pages name is there: files, links, modules, commands and rooms."""

import pkgutil
import re
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from search.cli import app
from search.submission.upload import project_files
from tests.docs.pages import PAGES, ROOT, text_of
from tests.test_floors import FLOORS, ROOMS
from trainables.workloads import ENTRY_POINTS

FILES = {str(path) for path in project_files(ROOT)}
TOP = sorted({name.partition("/")[0] for name in FILES}, key=len, reverse=True)
MADE = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
"""What is there once somebody has made it, such as secrets."""

PATH = re.compile(rf"(?<![\w./:-])(?:{'|'.join(map(re.escape, TOP))})(?:/[\w.*-]+)*/?(?![\w-])")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def missing_paths(text: str) -> list[str]:
    """Paths from the project's root that a text names and that lead nowhere; ``*`` stands for any name."""
    named = {found.rstrip(".") for found in PATH.findall(text)}
    paths = {path for path in named if "/" in path or "." in path}
    return sorted(
        path for path in paths if not MADE.match_file(path) and not any(ROOT.glob(path.rstrip("/")))
    )


def anchors(page: str) -> set[str]:
    """What a page's headings are linked by."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_links(page: str, text: str) -> list[str]:
    """Relative links of a page that lead to no file, or in one to no heading."""
    broken = []
    for target, anchor in LINK.findall(text):
        if "://" in target:
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(str(path.resolve().relative_to(ROOT)))):
            broken.append(f"{target}#{anchor}")
    return broken


def missing_names(text: str) -> list[str]:
    """Dotted names of the project's modules, and of what is in them, that cannot be imported."""
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})(?:\.\w+)+)", text)
    return [name for name in named if name != ENTRY_POINTS and not _resolves(name)]


def _resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def missing_commands(text: str) -> list[str]:
    """Commands in the code of a text that do not exist: of `make`, of ``python -m`` and of `dropattack`."""
    code = "\n".join(
        [*re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S), *re.findall(r"`([^`\n]+)`", text)]
    )
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    ours = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    ours |= {str(group.name) for group in app.registered_groups}
    made = [f"make {name}" for name in re.findall(r"^make ([\w-]+)", code, re.M) if name not in targets]
    modules = [f"-m {name}" for name in re.findall(r"python -m ([\w.]+)", code) if not _resolves(name)]
    given = re.findall(r"^(?:\.venv/bin/)?dropattack ([a-z]+)", code, re.M)
    return made + modules + [f"dropattack {name}" for name in given if name not in ours]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = text_of(page)
    assert missing_paths(text) == []
    assert missing_links(page, text) == []
    assert missing_names(text) == []
    assert missing_commands(text) == []


def test_what_is_not_there_would_be_seen() -> None:
    text = """`search/proposers/` and search/sweep.py, not `docker/secrets/ray_token` nor `runs/mlflow.db`,
    [there](docs/reference/sweeps.md#stages), [not there](docs/none.md),
    [nowhere](docs/reference/sweeps.md#nowhere),
    `trainables.splits.Split`, `trainables.data.splits.Split`, `make nothing`, `python -m search.none`,
    `dropattack plan demo`, `dropattack vanish demo`"""
    assert missing_paths(text) == ["docs/none.md", "search/proposers/", "search/sweep.py"]
    assert missing_links("README.md", text) == ["docs/none.md#", "docs/reference/sweeps.md#nowhere"]
    assert missing_names(text) == ["trainables.splits.Split"]
    assert missing_commands(text) == ["make nothing", "-m search.none", "dropattack vanish"]


def test_the_changelog_links_to_what_is_there() -> None:
    assert missing_links("CHANGELOG.md", text_of("CHANGELOG.md")) == []


def test_contributors_see_the_rooms_in_their_order() -> None:
    shown = re.findall(r"^\| `(\w+)/(\w+)(?:\.py|/)` \|", text_of("CONTRIBUTING.md"), re.MULTILINE)
    assert [".".join(room) for room in shown] == FLOORS


def test_images_are_small_and_every_one_is_shown() -> None:
    images = {path for path in ROOT.glob("docs/images/*") if path.is_file()}
    assert {path.name: path.stat().st_size for path in images if path.stat().st_size > 300_000} == {}
    shown = {
        ((ROOT / page).parent / target).resolve()
        for page in PAGES
        for target, _ in LINK.findall(text_of(page))
        if Path(target).suffix in (".png", ".svg")
    }
    assert shown == {path.resolve() for path in images}
