"""The evidence recomputed from files of records."""

from pathlib import Path

import numpy as np
import pytest

from analysis.export import write_trials
from analysis.questions.contest import contests
from benchmarks.evidence import main
from tests.analysis.questions.test_contest import contest_records


def test_contrasts_of_several_sweeps_are_corrected_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sweeps of one dataset each: the smaller p counts twice."""
    files, p = [], []
    for place, gain in enumerate((0.010, 0.012)):
        records = contest_records(gain, 0.02, np.random.default_rng(place), controls={"eps-zero": 0.01})
        folder = tmp_path / str(place)
        folder.mkdir()
        write_trials(records, folder, "parquet")
        files.append(str(folder / "trials.parquet"))
        p += [met.contrast.effect.p for met in contests(records).values()]
    main(files)
    text = capsys.readouterr().out
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| w | ")]
    assert [row[1:3] for row in rows] == [["`layers`", "`sam`"]] * 2
    shown = sorted(float(row[5]) for row in rows)
    assert shown == pytest.approx(sorted([2 * min(p), max(2 * min(p), max(p))]), abs=6e-4)
    assert text.count("| `eps-zero` |") == 2


def test_what_is_no_contest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
