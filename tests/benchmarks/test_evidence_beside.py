"""What the experiment's page says beside its tables."""

import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.export import write_trials
from benchmarks.evidence_beside import beside, main
from tests.analysis.questions.test_contest import contest_records

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(ROOT.glob("docs/evidence/*.parquet"))
_NUMBER, _LINK = r"([−+]?\d+\.\d+)", r"(?: points)?(?: more| behind,| ahead of|,)?"
_INTERVAL = re.compile(rf"{_NUMBER}{_LINK} \[{_NUMBER}, {_NUMBER}\]")


def _cells(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("first", [0, 105])
def test_a_difference_is_that_of_a_paired_t_test(first: int) -> None:
    """SciPy's, in both directions, of the seeds that are asked for."""
    records = contest_records(0.01, controls={"eps-zero": 0.01})
    fresh = records.trials[(records.trials["stage"] == "confirm") & (records.trials["seed"] >= first)]
    ours = fresh[(fresh["targets"] == "fc1.w") & fresh["control"].isna()]["test_accuracy"].to_numpy()
    theirs = fresh[fresh["method"] == "sam"]["test_accuracy"].to_numpy()
    expected = stats.ttest_rel(ours, theirs)
    low, high = (100 * end for end in expected.confidence_interval())
    text = beside(records, first)
    _, metric, told, p, _, n = _cells(text, "| `layers` − `sam` |")
    found = [float(value.replace("−", "-")) for value in re.findall(r"[−+]?\d+\.\d+", told)]
    assert metric == "accuracy"
    assert found == pytest.approx([100 * np.mean(ours - theirs), low, high], abs=0.0051)
    assert int(n) == len(ours) == (12 if first == 0 else 7)
    assert p == "< 0.001" or float(p) == pytest.approx(expected.pvalue, abs=6e-4)
    turned = _cells(text, "| `sam` − `layers` |")[2]
    back = [-float(value.replace("−", "-")) for value in re.findall(r"[−+]?\d+\.\d+", turned)]
    assert back == pytest.approx([found[0], found[2], found[1]])


def test_how_each_did_is_told_apart_for_searched_and_fresh_seeds() -> None:
    records = contest_records(0.01)
    cells = _cells(beside(records), "| `sam` | ")
    fresh = records.trials[(records.trials["stage"] == "confirm") & (records.trials["method"] == "sam")]
    assert cells[1] == "91.10"
    assert float(cells[2]) == pytest.approx(100 * fresh["value"].mean(), abs=0.0051)
    assert float(cells[4]) == pytest.approx(100 * np.std(fresh["test_accuracy"], ddof=1), abs=0.0051)
    assert cells[-1] == "12"


def test_every_interval_in_the_words_of_the_page_is_what_the_records_give(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whichever of the two is named first; the late seeds of AG News too, which an early look left out."""
    main([str(file) for file in PUBLISHED])
    main([str(ROOT / "docs/evidence/evidence-agnews.parquet"), "--seeds-from", "1011"])
    known = [tuple(map(_plain, each)) for each in _INTERVAL.findall(capsys.readouterr().out)]
    pages = (ROOT / name for name in ("docs/results.md", "README.md", "docs/index.md"))
    lines = chain.from_iterable(page.read_text(encoding="utf-8").splitlines() for page in pages)
    words = "\n".join(line for line in lines if not line.startswith("|"))
    said = [tuple(map(_plain, each)) for each in _INTERVAL.findall(words)]
    either = {(abs(mean), *sorted((abs(low), abs(high)))) for mean, low, high in known}
    unknown = [each for each in said if (abs(each[0]), *sorted((abs(each[1]), abs(each[2])))) not in either]
    assert len(said) >= 28
    assert unknown == []


def _plain(value: str) -> float:
    return round(float(value.replace("−", "-")), 2)


def test_what_is_no_contest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    records = contest_records(0.01)
    write_trials(records, tmp_path, "parquet")
    main([str(tmp_path / "trials.parquet")])
    assert capsys.readouterr().out.startswith("## w\n")
    begun = replace(records, trials=records.trials[records.trials["seed"] < 105])
    write_trials(begun, tmp_path, "parquet")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "trials.parquet")])
    assert "has no arms that have met on all fresh seeds" in capsys.readouterr().err
