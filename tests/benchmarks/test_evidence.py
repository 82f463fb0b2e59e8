"""The evidence recomputed from files of records."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.export import write_trials
from analysis.questions.contest import contests
from benchmarks.evidence import main, reached
from tests.analysis.questions.test_contest import contest_records


def test_contrasts_of_several_sweeps_are_corrected_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sweeps of one dataset each, of four that are planned: the smaller p counts four times."""
    files, p, alike = [], [], []
    for place, gain in enumerate((0.010, 0.012)):
        records = contest_records(gain, 0.02, np.random.default_rng(place), controls={"eps-zero": 0.01})
        folder = tmp_path / str(place)
        folder.mkdir()
        write_trials(records, folder, "parquet")
        files.append(str(folder / "trials.parquet"))
        found = [met.contrast for met in contests(records).values()]
        p += [contrast.effect.p for contrast in found]
        alike += [contrast.equivalence for contrast in found]
    main(files)
    text = capsys.readouterr().out
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| w | ")]
    assert [row[1:3] for row in rows] == [["`layers`", "`sam`"]] * 2
    for column, values in ((5, p), (6, alike)):
        first, second = sorted(values)
        corrected = [min(4 * first, 1), min(max(4 * first, 3 * second), 1)]
        assert sorted(float(row[column]) for row in rows) == pytest.approx(corrected, abs=6e-4)
    assert text.count("| `eps-zero` |") == 2


def test_a_contrast_without_all_of_its_fresh_seeds_is_undecided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gain that eleven seeds show counts as p = 1 until the twelfth is there."""
    records = contest_records(0.02, 0.002, np.random.default_rng(0))
    last = (records.trials["seed"] == records.trials["seed"].max()) & (records.trials["stage"] == "confirm")
    for kept, outcome in ((records.trials, "helps"), (records.trials[~last], "undecided")):
        write_trials(replace(records, trials=kept), tmp_path, "parquet")
        main([str(tmp_path / "trials.parquet")])
        (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| w | ")]
        assert row.endswith(f"| {outcome} |")
        assert ("| 1.000 | 1.000 |" in row) == (outcome == "undecided")


def test_models_that_no_attack_reached_are_counted() -> None:
    """Attacks begin after 24 of 30 epochs: a best epoch of 24 is plain training's, one of 25 is not."""
    records = contest_records(0.02)
    trials = records.trials
    fresh = trials.index[(trials["stage"] == "confirm") & (trials["targets"] == "fc1.w")]
    late = trials.assign(best_epoch=30, start=np.nan, train_relative_size=np.nan)
    late.loc[fresh, "start"] = 0.8
    late.loc[fresh, "train_relative_size"] = 0.012
    late.loc[fresh[:3], "best_epoch"] = [1, 24, 25]
    for told, start in (("2 of 12 models of `layers` are", late["start"]), ("0 of 12", np.nan)):
        planted = replace(records, trials=late.assign(start=start))
        (met,) = contests(planted).values()
        assert reached(planted, met).startswith(told)
        assert "have 1.2 % of the norm of what they attack." in reached(planted, met)


def test_what_is_no_contest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
