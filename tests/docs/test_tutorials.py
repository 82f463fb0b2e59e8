"""The tutorials are followed from their first block to their last."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, text_of
from tests.docs.walk import follow, here, missing_lines

TUTORIALS = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/tutorials/*.md")}
FOLLOWED = ["docs/tutorials/own-table.md", "docs/tutorials/own-transformer.md"]
OF_A_USER = "docs/tutorials/first-sweep.md"
"""Followed in tests/packaging/test_wheel.py, where the demo runs as a user has it."""
ON_A_CLUSTER = "docs/tutorials/on-a-cluster.md"
"""Followed by hand; tests/docker submits jobs to a cluster."""


@pytest.mark.heavy
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: Path(page).stem)
def test_a_tutorial_leads_to_what_it_shows(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with here(tmp_path, lambda: capsys.readouterr().out) as shell:
        assert "At equal cost" in follow(page, shell)


def test_every_tutorial_is_followed_or_says_what_it_needs() -> None:
    assert {*FOLLOWED, OF_A_USER, ON_A_CLUSTER} == TUTORIALS
    assert "needs a Ray cluster" in " ".join(text_of(ON_A_CLUSTER).split())


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("3 trials: 2 complete · 58 s", "9 trials: 7 complete · 4 min"),
        ("model: runs/models/….pt (seed …, key …)", "model: runs/models/a0f.pt (seed 101, key a0f)"),
        ("At equal cost it harms: by 5 points.", "At equal cost it is undecided."),
        ("│ grid │      2 │", "table\n│ grid  │ 12 │"),
        ("one\ntwo", "one\nbetween\ntwo"),
        ("one long\n    line", "one long line"),
    ],
)
def test_shown_lines_may_have_other_numbers(shown: str, printed: str) -> None:
    assert missing_lines(shown, printed) == []


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("3 trials: 2 complete", "3 trials: 2 pruned", ["3 trials: 2 complete"]),
        ("Next: nothing more.", "At equal cost it helps.", ["Next: nothing more."]),
        ("two\none", "one\ntwo", ["one"]),
        ("anything", "", ["anything"]),
    ],
)
def test_lines_that_nothing_prints_are_seen(shown: str, printed: str, missing: list[str]) -> None:
    assert missing_lines(shown, printed) == missing
