"""What figures draw of their tables, and what is written beside them."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection

from analysis.figures.curves import marginals
from analysis.figures.forest import ForestRow, gains_forest
from analysis.figures.heatmap import epsilon_p_map
from analysis.figures.surrogate import surrogate_map
from analysis.questions import sensitivity, surrogate
from analysis.records import Metric, Records
from analysis.sections import sensitivity as part
from tests.analysis import synthetic
from tests.analysis.questions.test_sensitivity import scattered

METRIC = Metric("valid_accuracy")


def test_a_point_has_its_interval_whatever_its_neighbours_have() -> None:
    curve = pd.DataFrame({"value": [1.0, 2, 3], "name": "m", "sampled": False, "mean": [0.5, 0.6, 0.7]})
    curve = curve.assign(low=[np.nan, 0.55, np.nan], high=[np.nan, 0.65, np.nan])
    (axes,) = marginals({"p": curve}, METRIC, gain=False).axes
    bars = [c for c in axes.collections if isinstance(c, LineCollection)]
    drawn = [segment for bar in bars for segment in bar.get_segments() if np.isfinite(segment).all()]
    (bar,) = [segment for segment in drawn if len(segment)]
    assert bar.tolist() == [[2, pytest.approx(55)], [2, pytest.approx(65)]]


def test_trials_have_the_colours_of_the_map_beneath_them() -> None:
    records = scattered(20)
    (fitted,) = surrogate.surrogates(records, sensitivity.epsilon_p_cells(records, METRIC), METRIC)
    points = fitted.points.assign(score=np.linspace(0.5, 0.9, len(fitted.points)))
    flat = np.full_like(fitted.mean, 0.7)
    left, *_ = surrogate_map(dataclasses.replace(fitted, points=points, mean=flat), METRIC).axes
    (dots,) = [c for c in left.collections if isinstance(c, PathCollection)]
    (below,) = [c for c in left.collections if c.get_array() is not None]
    assert below.norm.vmin <= 50
    assert below.norm.vmax >= 90
    assert dots.get_facecolor()[0] == pytest.approx(below.cmap(below.norm(50)))


def test_no_number_hides_in_an_offset() -> None:
    """Cells that differ in the fifth digit, and cells that do not differ."""
    for values in ([0.93330, 0.93331], [0.9333, 0.9333]):
        frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5], seeds=[0])
        frame.loc[frame["epsilon"].notna(), "value"] = values
        cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
        _, bar = epsilon_p_map(cells, METRIC, gain=False).axes
        bar.figure.draw_without_rendering()
        assert bar.yaxis.get_offset_text().get_text() == ""
        ticks = [float(tick.get_text()) for tick in bar.get_yticklabels()]
        assert 90 < min(ticks) <= max(ticks) < 95


def captions(records: Records) -> list[str]:
    found = part.section(records)
    assert found is not None
    return [f"{p.title}: {p.caption} {getattr(p, 'caution', '')}" for p in found.parts]


def test_captions_say_what_is_there() -> None:
    settings: dict[str, Any] = {"targets": ["input"], "epsilons": [1, 5], "ps": [0.5, 0.7]}
    along, *_ = captions(synthetic.records(synthetic.trials(**settings)))
    assert "Bars are 95 % t intervals over seeds" in along
    assert "the maps below show it" in along
    assert "stopped early" not in along
    frame = synthetic.trials(**settings | {"epsilons": [1], "ps": [0.5]}, ks=[1, 2], seeds=range(2))
    frame.loc[frame["seed"] == 1, "state"] = "pruned"
    along, *rest = captions(synthetic.records(frame))
    assert "One seed a point: no intervals" in along
    assert "2 more were stopped early" in along
    assert "maps below" not in along
    assert rest == []


def test_with_one_value_of_everything_there_is_nothing_to_say() -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=[0.5])
    assert part.section(synthetic.records(frame)) is None


def test_a_fitted_map_of_noise_is_told_and_not_drawn() -> None:
    records = scattered(40)
    noise = np.random.default_rng(3).normal(0.9, 0.01, 40)
    found = part.section(Records(records.trials.assign(value=noise)))
    assert found is not None
    assert not [p for p in found.parts if p.name.startswith("surrogate")]
    assert any("no map is drawn of the 40 scattered trials" in note for note in found.notes)
    assert any("n = 40 trials" in caption for caption in captions(records))


@pytest.mark.parametrize("significant", [True, False])
def test_what_is_not_significant_is_hatched_in_colours_that_the_bar_has(significant: bool) -> None:
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7], seeds=range(3))
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC).assign(significant=significant)
    axes, _ = epsilon_p_map(cells, METRIC, gain=True).axes
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == (0 if significant else 4)
    assert all(patch.get_alpha() is None for patch in axes.patches if not patch.get_hatch())
    texts = [text.get_text() for text in axes.texts]
    assert sum("n=3" in text for text in texts) == 4


def test_cells_of_small_differences_have_the_decimals_of_their_metric() -> None:
    metric = Metric("valid_rmse")
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.3, 0.7], seeds=range(3))
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC).assign(
        gain=-0.00004, gain_high=0.001
    )
    axes, _ = epsilon_p_map(cells, metric, gain=True).axes
    assert [text.get_text() for text in axes.texts if "." in text.get_text()][:2] == ["0.0000", "±0.0010"]


def test_half_an_interval_is_the_longer_one_where_the_other_stops_at_a_bound() -> None:
    """Accuracies near 1: the upper end stops at 1, and ± that distance would claim more than is known."""
    frame = synthetic.trials(targets=["input"], epsilons=[1, 5], ps=[0.5, 0.7], seeds=range(3))
    attacks = frame["epsilon"].notna()
    frame.loc[attacks, "value"] = np.tile([0.999, 0.97, 0.999], int(attacks.sum()) // 3 + 1)[: attacks.sum()]
    cells = sensitivity.epsilon_p_cells(synthetic.records(frame), METRIC)
    cut = cells[cells["high"] == 1.0]
    assert len(cut)
    axes, _ = epsilon_p_map(cells, METRIC, gain=False).axes
    drawn = {text.get_text() for text in axes.texts}
    assert {f"±{100 * (row['mean'] - row['low']):.2f}" for _, row in cut.iterrows()} <= drawn


@pytest.mark.parametrize("length", [5, 40, 120])
def test_the_names_of_curves_are_never_cut(length: int) -> None:
    curves = [_points(f"{number}{'x' * length}") for number in range(4)]
    figure = marginals({"epsilon": pd.concat(curves, ignore_index=True)}, METRIC, gain=False)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 > -1
    assert legend.get_window_extent().x1 < figure.bbox.x1 + 1
    (axes,) = figure.axes
    assert axes.get_window_extent().height > 150, "the names leave room for the curves"


def test_many_panels_stand_in_rows() -> None:
    tables = {f"setting {number}": _points("one") for number in range(6)}
    figure = marginals(tables, METRIC, gain=False)
    figure.draw_without_rendering()
    assert [axes.get_xlabel() for axes in figure.axes] == list(tables)
    assert len({round(axes.get_window_extent().y0) for axes in figure.axes}) == 2
    assert [bool(axes.get_ylabel()) for axes in figure.axes] == [True, False, False, False, True, False]


def _points(name: str) -> pd.DataFrame:
    found = {
        "value": [1.0, 2.0, 3.0],
        "mean": [0.8, 0.9, 0.85],
        "low": [0.7, 0.8, 0.8],
        "high": [0.9, 1.0, 0.9],
    }
    return pd.DataFrame(found).assign(name=name, sampled=True)


@pytest.mark.parametrize(("margin", "ends"), [(0, []), (np.nan, []), (0.003, [-0.3, 0.3])])
def test_dashed_lines_are_the_ends_of_what_does_not_matter(margin: float, ends: list[float]) -> None:
    row = ForestRow("over sam", 0.01, 0.005, 0.015, (), "+1.00", marked=True)
    (axes,) = gains_forest([row], METRIC, margin).axes
    assert [line.get_xdata()[0] for line in axes.lines if line.is_dashed()] == pytest.approx(ends)
