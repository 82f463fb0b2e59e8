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


def test_what_is_no_contest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
