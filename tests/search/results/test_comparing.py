"""`dropattack report A B C`: one page of several sweeps of a store."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropattack import UsageError
from search.cli import app
from search.records.store import Store
from search.results.comparing import _place, report_comparison
from tests.search.results.test_reporting import recorded
from tests.search.simulation import sweep


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With three sweeps of a made-up trainer, of which one has another seed."""
    for name, seeds in (("one", [0, 1]), ("two", [0, 1]), ("three", [0, 2])):
        recorded(tmp_path, sweep(name=name, seeds=seeds))
    return Store(tmp_path)


def test_the_page_says_first_what_differs(store: Store) -> None:
    page = report_comparison(["one", "two", "three"], store)
    assert page == store.root / "comparisons" / "one+two+three" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert (
        text.index("What differs in their settings")
        < text.index("The answers")
        < text.index("two beside one")
    )
    assert "three beside one" in text
    row = text[text.index(">seeds</td>") :].partition("</tr>")[0]
    assert [row.count(cell) for cell in (">0, 1</td>", ">0, 2</td>")] == [2, 1]


def test_equal_sweeps_have_equal_settings(store: Store) -> None:
    text = report_comparison(["one", "two"], store, ["md"]).joinpath("report.md").read_text(encoding="utf-8")
    assert "have the same settings and versions" in text
    assert "gave exactly the same" in text


def test_many_names_still_fit_a_folder(tmp_path: Path) -> None:
    """The page of the same sweeps in another order is another one."""
    names = [f"{'n' * 60}{i}" for i in range(5)]
    places = [_place(order, Store(tmp_path)) for order in (names, names[::-1])]
    assert len(set(places)) == 2
    for place in places:
        place.mkdir(parents=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one", "two", "one"], "one is named twice; name each sweep once"),
        (["one", "nowhere"], "'nowhere' has not been run"),
        (["one", "two", "--watch"], "--watch is for the report of one sweep, not of 2"),
        (["one", "two", "--landscape"], "--landscape is for the report of one sweep"),
        (["one", "two", "--format", "pdf"], "unknown format 'pdf'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(store: Store, words: list[str], said: str) -> None:
    found = CliRunner().invoke(app, ["report", *words, "--store", str(store.root)])
    assert found.exit_code == 2
    assert said in found.output
    assert len(found.output.strip().splitlines()) == 1
    assert not (store.root / "comparisons").exists()


def test_a_sweep_that_is_named_twice_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named twice"):
        report_comparison(["a", "a"], Store(tmp_path))
