"""One training under several names is one result: it is shown under each of them and counted once."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from analysis.questions import (
    budget,
    controls,
    importance,
    layers,
    selection,
    sensitivity,
    surrogate,
)
from analysis.records import CONFIGURATION, CONTROL, Records
from analysis.scoring import FIXED, HELD_OUT
from analysis.sections.budget import _saved_finding as saved_finding
from analysis.sections.layers import section as layers_section
from tests.analysis.named import BASE, BETTER, METRIC, STANDARD, WORSE, attack, p_of, records, rows

FGM = {"method": "fgm", "passes": 2, "epsilon": 1.0}


def test_two_methods_that_are_one_training_are_one_test() -> None:
    other = {"method": "sam", "passes": 2, "rho": 0.1}
    same = records(
        rows("plain", BASE, STANDARD),
        rows("small", BETTER, FGM, attack(p=1.0)),
        rows("sam", WORSE, other),
    )
    scored = controls.scored_methods(same, METRIC)
    table = controls.compare_methods(scored).set_index("family")
    assert table.loc[["fgm", "dropattack"], "gain"].nunique() == 1, "both are shown"
    first, last = multipletests([p_of(BETTER), p_of(WORSE)], method="holm")[1]
    assert table.loc[["fgm", "dropattack", "sam"], "p_holm"].tolist() == pytest.approx([first, first, last])
    trained = same.trials.assign(train_accuracy=0.99)
    gap = controls.generalisation_gap(
        controls.scored_methods(Records(trained, sweep=same.sweep), METRIC), METRIC
    ).set_index("family")
    assert gap["p_holm"].dropna().to_dict() == pytest.approx({"fgm": first, "dropattack": first, "sam": last})


def test_names_of_one_configuration_are_one_setting() -> None:
    """With K = 1 the mode of steps means nothing: nothing is chosen, and no degree of freedom spent."""
    names = [attack(step_mode=mode) for mode in ("recompute", "accumulate")]
    one = records(rows("plain", BASE, STANDARD), rows("small", BETTER, *names))
    scored = layers.scored_target_sets(one, METRIC)
    assert (len(scored), set(scored["scored_on"]), set(scored["spent"])) == (3, {FIXED}, {0.0})
    assert selection.optimism(one).empty
    several = records(
        rows("plain", BASE, STANDARD),
        rows("small", BETTER, *names),
        rows("large", WORSE, attack(epsilon=5.0)),
    )
    assert set(layers.scored_target_sets(several, METRIC)["scored_on"]) == {HELD_OUT}
    assert selection.optimism(several)["candidates"].tolist() == [2]


def test_a_training_of_two_stages_weighs_once() -> None:
    """The better half ran in both stages, once with a test under attack, which makes another key of it.

    Where a device rounded it differently, the value of the smallest key counts.
    """
    rounded = [result + 0.001 for result in BETTER]
    again = rows("small", rounded, attack(), stage="again").assign(key=lambda f: "tested-" + f["key"])
    twice = records(
        rows("plain", BASE, STANDARD),
        rows("small", BETTER, attack()),
        again,
        rows("other", WORSE, attack(p=0.7)),
        rows("large", WORSE, attack(epsilon=5.0)),
        rows("rest", BASE, attack(epsilon=5.0, p=0.7)),
    )
    curve = sensitivity.marginal(twice, "epsilon", METRIC).set_index("value")
    assert curve.loc[1.0, "mean"] == pytest.approx(np.mean([BETTER, WORSE]))
    best = selection.configurations(twice)
    assert best[CONFIGURATION].tolist().count("small") == 1
    assert best.set_index(CONFIGURATION).loc["small", ["n", "valid"]].tolist() == pytest.approx(
        [3, np.mean(BETTER)]
    )


def drawn(count: int, copied: int) -> Records:
    """Draws of a search, some of which were drawn again in a spelling that means the same."""
    rng = np.random.default_rng(0)
    found = [rows("plain", [0.9], STANDARD)]
    for i, (epsilon, p) in enumerate(rng.uniform(0.1, 1.0, (count, 2))):
        name = attack(epsilon=epsilon, p=p, step_mode="recompute")
        names = [name, name | {"step_mode": "accumulate"}] if i < copied else [name]
        found.append(rows(f"drawn{i:02d}", [0.9 + p / 10], *names, stage="search"))
    sweep = {"stages": [{"name": "search", "search": {"kind": "random"}}]}
    return Records(pd.concat(found, ignore_index=True), sweep=sweep)


def test_importances_and_fitted_maps_take_a_training_once() -> None:
    both = drawn(30, 12)
    assert set(importance.importances(both, resamples=2)["n"]) == {30}
    (fitted,) = surrogate.surrogates(both, sensitivity.epsilon_p_cells(both, METRIC), METRIC)
    assert len(fitted.points) == 30


def test_a_control_that_is_the_method_itself_is_compared_with_nothing() -> None:
    """p-one at p = 1 is the attack without a mask that the grid has anyway."""
    own, masked = attack(p=1.0), attack(p=0.5)
    common = rows("plain", BASE, STANDARD), rows("half", WORSE, masked)
    with_itself = rows("whole", BETTER, own, own | {CONTROL: "p-one", "control": "p-one"})
    table = controls.compare_methods(controls.scored_methods(records(*common, with_itself), METRIC))
    alone = table.set_index("control").loc["p-one"]
    assert np.isnan(alone["over"])
    other = [0.93, 0.93, 0.95]
    real = rows("no-mask", other, masked | {CONTROL: "p-one", "control": "p-one"})
    table = controls.compare_methods(controls.scored_methods(records(*common, with_itself, real), METRIC))
    row = table.set_index("control").loc["p-one"]
    assert (row["scored_on"], row["alike"]) == (FIXED, True)
    assert row["over"] == pytest.approx(np.mean(WORSE) - np.mean(other))


def test_one_control_of_several_settings_stands_beside_the_method_at_its_best() -> None:
    """ε = 0 is one training beside ε 1 and ε 5: neither is the very same setting."""
    zero = [0.905, 0.91, 0.92]
    names = [attack(epsilon=e) | {CONTROL: "eps-zero", "control": "eps-zero"} for e in (1.0, 5.0)]
    attacks = rows("small", BETTER, attack()), rows("large", WORSE, attack(epsilon=5.0))
    table = controls.compare_methods(
        controls.scored_methods(
            records(rows("plain", BASE, STANDARD), *attacks, rows("zero", zero, *names)), METRIC
        )
    )
    row = table.set_index("control").loc["eps-zero"]
    assert (row["scored_on"], row["alike"], row["over_n"]) == (FIXED, False, 3)
    assert row["over"] == pytest.approx(np.mean(BETTER) - np.mean(zero)), "every seed's others choose ε 1"


def test_equal_passes_is_shown_under_the_name_it_was_asked_for() -> None:
    longer = STANDARD | {"rounds": 2, CONTROL: "equal-passes", "passes": 2}
    asked = attack() | {CONTROL: "equal-passes", "control": "equal-passes"}
    both = records(
        rows("plain", BASE, STANDARD | {"rounds": 1}),
        rows("twice", WORSE, longer, asked),
        rows("small", BETTER, attack()),
    )
    table = controls.compare_methods(controls.scored_methods(both, METRIC)).set_index("family")
    row = table.loc["equal-passes"]
    assert (row["n"], row["scored_on"], row["alike"]) == (3, FIXED, True)
    assert row["over"] == pytest.approx(np.mean(BETTER) - np.mean(WORSE))


def test_target_sets_that_are_one_training_share_a_rank_and_a_test() -> None:
    def sets(workload: str) -> list[pd.DataFrame]:
        idle = attack(targets="input+fc1.w", input_ratio=0.0, p=1.0)
        other = attack(targets="conv1.w", p=1.0)
        found = [
            rows("plain", BASE, STANDARD),
            rows("fc1", BETTER, idle, attack(targets="fc1.w", p=1.0)),
            rows("conv1", WORSE, other),
            rows("input", [0.9, 0.92, 0.93], attack(p=1.0)),
        ]
        named = {column: lambda f, c=column: workload + f[c] for column in ("key", CONFIGURATION)}
        return [frame.assign(workload=workload, **named) for frame in found]

    both = records(*sets("digits-lenet5"), *sets("mnist-lenet5"))
    scored = layers.scored_target_sets(both, METRIC)
    ranked = layers.rank_target_sets(scored)
    own = ranked[ranked["workload"] == "digits-lenet5"].set_index("targets")
    assert own["rank"].to_dict() == {"fc1.w": 1, "input+fc1.w": 1, "input": 2, "conv1.w": 3}
    assert own.loc["fc1.w", "p_holm"] == pytest.approx(
        multipletests([p_of(BETTER), p_of([0.9, 0.92, 0.93]), p_of(WORSE)], method="holm")[1][0]
    )
    assert layers.interactions(scored).empty, "input and fc1.w together are fc1.w alone"
    told = layers_section(both)
    assert told is not None
    assert all("of 3 target sets" in finding for finding in told.findings)
    found = layers.across_workloads(ranked, "targets")
    assert found is not None
    assert len(found[0]) == 3


def test_data_saved_counts_a_training_once() -> None:
    def size(n: int, gain: float) -> list[pd.DataFrame]:
        better = rows(f"small{n}", [b + gain for b in BASE], FGM, attack(p=1.0))
        return [f.assign(**{"training.train_size": n}) for f in (rows(f"plain{n}", BASE, STANDARD), better)]

    curves = budget.training_size_curves(records(*size(100, 0.0), *size(1000, 0.01)), METRIC)
    assert set(curves["method"]) == {"standard", "fgm", "dropattack"}, "each is drawn"
    saved = budget.data_saved(curves, METRIC)
    assert len(saved) == 4
    (told,) = saved_finding(saved)
    assert told.startswith("Of 6 results of methods"), "two sizes of three seeds"


def test_names_of_one_training_share_a_rank_across_a_tie() -> None:
    """In the order of names another training of the very same results stands between the two."""
    idle = attack(targets="input+fc1.w", input_ratio=0.0, p=1.0)
    tied = records(
        rows("plain", BASE, STANDARD),
        rows("fc1", BETTER, idle, attack(targets="fc1.w", p=1.0)),
        rows("input", BETTER, attack(p=1.0)),
    )
    ranked = layers.rank_target_sets(layers.scored_target_sets(tied, METRIC)).set_index("targets")
    assert ranked["rank"].to_dict() == {"fc1.w": 1, "input": 2, "input+fc1.w": 1}


def test_standard_training_is_no_setting_that_equal_passes_controls() -> None:
    """Also in rows where nothing but ``rounds``, which plain rows leave out, tells the two apart."""
    longer = STANDARD | {"rounds": 2, CONTROL: "equal-passes", "passes": 2}
    both = records(
        rows("plain", BASE, STANDARD), rows("twice", WORSE, longer), rows("small", BETTER, attack())
    )
    table = controls.compare_methods(controls.scored_methods(both, METRIC)).set_index("family")
    row = table.loc["equal-passes"]
    assert not row["alike"]
    assert row["over"] == pytest.approx(np.mean(BETTER) - np.mean(WORSE))
