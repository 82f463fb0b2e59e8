"""The figure of the experiment."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.export import write_trials
from analysis.questions.contest import Met, contests
from benchmarks.evidence_figure import drawn, main
from tests.analysis.questions.test_contest import contest_records


def _met(gain: float) -> Met:
    (met,) = contests(contest_records(gain, controls={"eps-zero": 0.01})).values()
    return met


@pytest.mark.parametrize(("datasets", "seen", "unused"), [(1, 1, 0), (2, 2, 0), (3, 3, 1), (4, 4, 0)])
def test_each_dataset_has_a_panel(datasets: int, seen: int, unused: int) -> None:
    panels = drawn([_met(0.01 * place) for place in range(datasets)]).axes
    assert sum(panel.get_visible() for panel in panels) == seen
    assert sum(not panel.get_visible() for panel in panels) == unused


def test_a_panel_draws_every_gain_and_the_interval_over_examples_beside_the_planned_one() -> None:
    met = _met(0.01)
    crossed = replace(met, contrast=replace(met.contrast, crossed=(0.004, 0.019)))
    (without,), (panel,) = drawn([met]).axes, drawn([crossed]).axes
    expected = [effect.gain for effect in (*met.over.values(), *met.over_controls.values())]
    for axes in (without, panel):
        points = [
            line.get_xdata() for line in axes.lines if line.get_marker() == "o" and line.get_alpha() is None
        ]
        assert np.concatenate(points) == pytest.approx(100 * np.asarray(expected))
        assert [line.get_xdata()[0] for line in axes.lines if line.is_dashed()] == pytest.approx([-0.3, 0.3])
    added = len(panel.lines) - len(without.lines)
    assert added == 1
    (line,) = [line for line in panel.lines if list(line.get_xdata()) == pytest.approx([0.4, 1.9])]
    marked = list(met.over).index(met.rival.arm)
    assert round(float(line.get_ydata()[0])) == marked


def test_the_figure_is_written_and_files_without_arms_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_trials(contest_records(0.01), tmp_path, "parquet")
    file, made = str(tmp_path / "trials.parquet"), tmp_path / "made.png"
    main([file, str(made)])
    assert made.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="2"):
        main([str(made), str(tmp_path / "other.png")])
    assert "made.png" in capsys.readouterr().err
    assert not (tmp_path / "other.png").exists()
