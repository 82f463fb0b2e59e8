"""The baseline under other names, such as a p of 0: shown as what it is, tested and recommended nowhere."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from analysis import published
from analysis.figures.curves import marginals
from analysis.figures.heatmap import epsilon_p_map
from analysis.pairing import with_gain
from analysis.questions import (
    comparison,
    controls,
    selection,
    sensitivity,
)
from analysis.records import Records
from analysis.report import sections
from analysis.scoring import FIXED
from analysis.sections import papers
from analysis.sections.selection import learning_section
from analysis.sections.sensitivity import section as maps
from tests.analysis.named import BASE, BETTER, METRIC, STANDARD, WORSE, attack, p_of, records, rows


def p_zero(**others: Any) -> list[dict[str, Any]]:
    return [attack(p=0.0, epsilon=epsilon, **others) for epsilon in (1.0, 5.0)]


def grid(baseline: list[float] = BASE) -> Records:
    """ε 1 and 5 by p 0 and 0.5; what has a p of 0 is the baseline."""
    return records(
        rows("plain", baseline, STANDARD, *p_zero()),
        rows("small", BETTER, attack()),
        rows("large", WORSE, attack(epsilon=5.0)),
    )


def test_a_p_of_zero_is_the_baseline_and_no_test() -> None:
    cells = sensitivity.epsilon_p_cells(grid(), METRIC).set_index(["epsilon", "p"])
    plain = cells.xs(0.0, level="p")
    assert plain["mean"].tolist() == pytest.approx([np.mean(BASE)] * 2), "shown at every ε"
    assert plain["is_baseline"].all()
    assert plain[["gain", "p_value", "p_holm"]].isna().all(axis=None)
    expected = multipletests([p_of(BETTER), p_of(WORSE)], method="holm")[1]
    assert cells.loc[[(1.0, 0.5), (5.0, 0.5)], "p_holm"].tolist() == pytest.approx(list(expected))


def test_a_p_of_zero_is_recommended_nowhere() -> None:
    """The baseline is better than every attack."""
    best = grid([0.97, 0.98, 0.99])
    found = {part.name: part for part in sections(best)}
    told = " ".join(found["best"].findings)
    assert "validation chooses the baseline, and of the attacks dropattack input · ε\xa01 · p\xa00.5" in told
    table = selection.configurations(best)
    assert table["method"].tolist() == ["standard", "dropattack", "dropattack"]
    assert selection.optimism(best)["candidates"].tolist() == [2]
    section = maps(best)
    assert section is not None
    (value,) = [part for part in section.parts if part.name == "map-0-value"]
    assert "Best cell: ε 1, p 0.5." in value.alt
    assert section.findings[0].startswith("Of 2 tested ε×p combinations")
    (cells,) = [part for part in section.parts if part.name == "cells"]
    assert cells.frame["p"].tolist() == [0.5, 0.5, 0.0, 0.0]


def test_cells_that_are_the_baseline_say_so_where_gains_stand() -> None:
    cells = sensitivity.epsilon_p_cells(grid(), METRIC)
    axes, _ = epsilon_p_map(cells, METRIC, gain=True).axes
    assert [text.get_text() for text in axes.texts].count("baseline") == 2
    value, _ = epsilon_p_map(cells, METRIC, gain=False).axes
    assert sum(text.get_text() == "91.33" for text in value.texts) == 2


def test_an_epsilon_of_zero_is_shown_and_not_tested() -> None:
    zero = records(
        rows("plain", BASE, STANDARD),
        rows("zero", [0.91, 0.92, 0.95], attack(epsilon=0.0), attack(epsilon=0.0, p=1.0)),
        rows("small", BETTER, attack()),
        rows("whole", WORSE, attack(p=1.0)),
    )
    cells = sensitivity.epsilon_p_cells(zero, METRIC).set_index(["epsilon", "p"])
    still = cells.loc[0.0]
    assert still["gain"].tolist() == pytest.approx([np.mean([0.91, 0.92, 0.95]) - np.mean(BASE)] * 2)
    assert still[["p_value", "p_holm"]].isna().all(axis=None)
    expected = multipletests([p_of(BETTER), p_of(WORSE)], method="holm")[1]
    assert cells.loc[1.0, "p_holm"].tolist() == pytest.approx(list(expected))


def test_curves_end_at_a_p_of_zero_and_leave_it_out_of_others() -> None:
    p = sensitivity.marginal(grid(), "p", METRIC).set_index("value")
    assert p.loc[0.0, ["n", "mean"]].tolist() == pytest.approx([3, np.mean(BASE)])
    assert p.loc[0.5, "mean"] == pytest.approx(np.mean([BETTER, WORSE]))
    (axes,) = marginals({"p": p.reset_index()}, METRIC, gain=True).axes
    (bars,) = axes.containers
    assert bars.lines[0].get_ydata()[0] == 0, "the baseline gains nothing over itself"
    epsilon = sensitivity.marginal(grid(), "epsilon", METRIC).set_index("value")
    assert epsilon["mean"].to_dict() == pytest.approx({1.0: np.mean(BETTER), 5.0: np.mean(WORSE)})


def test_without_standard_training_a_p_of_zero_is_the_baseline() -> None:
    """As where a training is read back under the one name that trained it."""
    alone = records(rows("plain", BASE, p_zero()[0]), rows("small", BETTER, attack()))
    scored = with_gain(alone, alone.complete(), METRIC)
    assert scored["gain"].tolist() == pytest.approx([a - b for a, b in zip(BETTER, BASE, strict=True)])
    assert "No baseline" not in str(sections(alone)[-2].notes)


def test_another_method_that_trains_plainly_is_the_baseline_too() -> None:
    """Dropout at a rate of 0: no setting of dropout, no candidate, and no test."""
    dropout = {"method": "dropout", "passes": 1}
    both = records(
        rows("plain", BASE, STANDARD | {"rate": None}, dropout | {"rate": 0.0}),
        rows("drop", BETTER, dropout | {"rate": 0.1}),
    )
    assert selection.configurations(both)["method"].tolist() == ["dropout", "standard"]
    table = controls.compare_methods(controls.scored_methods(both, METRIC)).set_index("family")
    assert table.loc["dropout", ["scored_on", "p_holm"]].tolist() == [FIXED, pytest.approx(p_of(BETTER))]


def test_two_sweeps_share_a_training_once() -> None:
    table = comparison.compare_sweeps(grid(), grid([0.91, 0.91, 0.94]))
    assert table["configuration"].str.startswith("standard").tolist() == [True, False, False]
    assert len(table) == 3
    assert table["p_holm"].iloc[0] == pytest.approx(3 * p_of([0.91, 0.91, 0.94])), "three tests"


def test_a_published_p_of_zero_is_set_beside_the_baseline_once() -> None:
    names = [attack(targets="input+lstm.ih.w", p=0.0, epsilon=e, k=1) for e in (0.1, 1.0, 3.0)]
    ours = records(rows("plain", [0.88, 0.882, 0.881], STANDARD, *names, workload="imdb-lstm"))
    table = published.compare(ours)
    shown = table[(table["table"] == "10")]
    assert len(shown) == 7, "the whole row of p = 0, which is one training"
    assert shown["published"].tolist() == pytest.approx([0.8812] * 7)
    section = papers.section(ours)
    assert section is not None
    others = len(table) - len(shown)
    assert section.findings[0].startswith(f"Of {others + 1} published numbers")


def test_counts_of_trials_hours_and_failures() -> None:
    broken = {"state": "failed", "reason": "out of memory", "value": np.nan}
    frames = [
        rows("plain", BASE, STANDARD, *p_zero()),
        rows("lost", [0.1], attack(), attack(step_mode="accumulate"), **broken),
    ]
    found = {part.name: part for part in sections(records(*frames))}
    assert found["trials"].findings == [
        "11 trials, 7 of them share the training of another: 9 complete, 2 failed."
    ]
    assert found["failures"].findings[0].startswith("1 of 4 trials failed")
    (table,) = found["trials"].parts
    assert table.frame["hours"].sum() == pytest.approx(4 * 10 / 3600)


def test_the_curve_of_the_baseline_bears_its_name() -> None:
    """It was trained as p = 0, and only then asked for as standard training."""
    plain = rows("plain", BASE, *p_zero(), STANDARD)
    both = pd.concat([plain, rows("small", BETTER, attack())], ignore_index=True)
    epochs = [{"key": key, "epoch": e, "valid_accuracy": 0.1 * e} for key in set(both["key"]) for e in (1, 2)]
    found = learning_section(records(both, epochs=pd.DataFrame(epochs)))
    assert found is not None
    (figure,) = found.parts
    drawn = figure.draw.args[0]
    assert sorted(set(drawn["configuration"])) == [
        "dropattack input · ε\xa01 · p\xa00.5 · K\xa01",
        "standard",
    ]
    assert set(drawn["n"]) == {3}
