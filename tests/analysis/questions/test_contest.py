"""A contest of arms, from records whose effects are planted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.export import from_parquet
from analysis.questions.answers import Effect, Outcome
from analysis.questions.contest import Met, contests, judged
from analysis.questions.recommendation import Why, recommend_of_contest
from analysis.questions.verdict import verdicts
from analysis.records import Records
from analysis.report import write_report
from analysis.statistics import equivalence_p, estimate
from dropattack import UsageError

FRESH = 12


def _trials(
    stage: str, method: str, values: Sequence[float], first: int, **changes: Any
) -> list[dict[str, Any]]:
    """Trials of one configuration, by its own recipe, on the seeds from ``first``, tested where confirmed."""
    row: dict[str, Any] = {
        "workload": "w",
        "stage": stage,
        "state": "complete",
        "method": method,
        "passes": 1.0,
        "epochs": 30.0,
    }
    rates = {"rho": 0.01, "targets": 0.002}
    rate = next((r * float(changes.get("epsilon", 1)) for name, r in rates.items() if name in changes), 0.001)
    row |= {"training.learning_rate": rate, "training.epochs": 30, "training.test": stage == "confirm"}
    row |= changes
    tested = {"test_accuracy": None} if stage != "confirm" else {}
    told = f"{row['workload']}/{stage}/{method}/{changes}"
    return [
        row | {"seed": first + i, "value": v, "test_accuracy": v, "key": f"{told}/{i}"} | tested
        for i, v in enumerate(values)
    ]


def contest_records(
    gain: float,
    spread: float = 0.002,
    rng: np.random.Generator | None = None,
    controls: Mapping[str, float] | None = None,
    workloads: Sequence[str] = ("w",),
    seeds: int = FRESH,
    **changes: Any,
) -> Records:
    """Two arms in question, of which layers is better, and two others, of which sam is."""
    rng = rng or np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for workload in workloads:
        at = {"workload": workload}
        rows += _trials("standard", "standard", [0.900, 0.902], 0, **at)
        rows += _trials("sam", "sam", [0.910, 0.912], 0, rho=0.1, passes=2.0, **at)
        rows += _trials("sam", "sam", [0.890, 0.890], 0, rho=1.0, passes=2.0, **at)
        rows += _trials("input", "dropattack", [0.905, 0.907], 0, targets="input", epsilon=1.0, p=0.5, **at)
        rows += _trials("layers", "dropattack", [0.908, 0.911], 0, targets="fc1.w", epsilon=2.0, p=0.5, **at)
        rows += _trials("layers", "dropattack", [0.8, 0.8], 0, targets="fc1.w", epsilon=3.0, p=0.5, **at)
        luck = rng.normal(0.9, 0.01, seeds)

        def fresh(mean: float, luck: Sequence[float] = tuple(luck)) -> list[float]:
            return list(np.asarray(luck) + mean + rng.normal(0, spread / np.sqrt(2), len(luck)))

        attack = {"targets": "fc1.w", "epsilon": 2.0, "p": 0.5}
        rows += _trials("confirm", "standard", fresh(-0.01), 100, **at)
        rows += _trials("confirm", "sam", fresh(0), 100, rho=0.1, passes=2.0, **at)
        rows += _trials("confirm", "dropattack", fresh(-0.02), 100, targets="input", epsilon=1.0, p=0.5, **at)
        rows += _trials("confirm", "dropattack", fresh(gain), 100, **attack, **at)
        for control, less in (controls or {}).items():
            rows += _trials("confirm", "dropattack", fresh(gain - less), 100, control=control, **attack, **at)
    search = {
        "kind": "confirm",
        "arms": ["input", "layers"],
        "margin": 0.003,
        "seeds": [*range(100, 100 + seeds)],
    }
    stages = [{"name": name, "search": "grid"} for name in ("standard", "sam", "input", "layers")]
    sweep = {"name": "s", "seeds": [0, 1], "stages": [*stages, {"name": "confirm", "search": search}]}
    return Records(pd.DataFrame(rows), sweep=sweep, **changes)


def _met(*arguments: Any, **changes: Any) -> Met:
    (found,) = contests(contest_records(*arguments, **changes)).values()
    return found


def test_the_best_of_each_side_on_validation_meet_on_fresh_seeds() -> None:
    met = _met(0.01)
    assert (met.contender.arm, met.rival.arm) == ("layers", "sam")
    assert [entrant.arm for entrant in met.entrants] == ["standard", "sam", "input", "layers"]
    assert met.entrants[1].tried == 2
    assert met.entrants[1].chosen_by == pytest.approx(0.911)
    assert met.contender.n == FRESH
    values = [met.contender.results[seed] - met.rival.results[seed] for seed in range(100, 100 + FRESH)]
    assert met.contrast.effect.gain == pytest.approx(np.mean(values), abs=1e-12)
    assert met.contrast.effect.values == pytest.approx(tuple(values))
    assert met.over["standard"].gain > met.over["sam"].gain


@pytest.mark.parametrize(
    ("gain", "spread", "outcome"),
    [
        (0.01, 0.002, Outcome.HELPS),
        (-0.01, 0.002, Outcome.HARMS),
        (0.0, 0.001, Outcome.ALIKE),
        (0.002, 0.0005, Outcome.ALIKE),
        (0.0, 0.03, Outcome.UNDECIDED),
        (0.0031, 0.0012, Outcome.HELPS),
    ],
)
def test_a_difference_counts_only_beyond_the_margin(gain: float, spread: float, outcome: Outcome) -> None:
    met = _met(gain, spread)
    assert met.contrast.outcome is outcome
    assert np.isnan(met.contrast.needed) == (outcome is not Outcome.UNDECIDED)


@pytest.mark.parametrize(
    ("gain", "cost", "use"),
    [
        (0.01, 2.0, "layers"),
        (0.01, 5.0, "layers"),
        (-0.01, 1.0, "sam"),
        (0.0, 2.0, "sam"),
        (0.0, 3.0, "sam"),
        (0.0, 1.0, "layers"),
    ],
)
def test_what_won_is_recommended_and_else_the_cheaper(gain: float, cost: float, use: str) -> None:
    """Not what validation likes best, which is sam in all of these: the contest is the answer."""
    records = contest_records(gain, 0.001)
    layers = records.trials["targets"] == "fc1.w"
    trials = records.trials.assign(passes=records.trials["passes"].mask(layers, cost))
    (met,) = contests(Records(trials, sweep=records.sweep)).values()
    entrant = met.contender if use == "layers" else met.rival
    found = recommend_of_contest(met, {met.contender.identity: cost, met.rival.identity: 2.0})
    arm = found.arm
    assert (arm.family, arm.identity, arm.mean, arm.n) == (use, entrant.identity, entrant.mean, FRESH)
    assert arm.passes == (cost if use == "layers" else 2.0)
    assert found.why is (Why.EVEN if gain == 0 else Why.WON)


def test_a_gain_below_the_margin_is_no_help_however_sure() -> None:
    met = _met(0.0027, 0.0012)
    assert met.contrast.effect.p < 0.05
    assert met.contrast.outcome is Outcome.UNDECIDED


def test_the_contrasts_of_several_workloads_are_corrected_together() -> None:
    alone, both = _met(0.004, 0.004), contests(contest_records(0.004, 0.004, workloads=("w", "x")))
    p = sorted(met.contrast.effect.p for met in both.values())
    assert both["w"].contrast.effect.gain == pytest.approx(alone.contrast.effect.gain)
    assert both["w"].contrast.effect.p in (pytest.approx(2 * alone.contrast.effect.p), p[-1])


@pytest.mark.parametrize("begun", [True, False])
def test_a_workload_whose_arms_have_not_met_counts_in_the_correction(begun: bool) -> None:
    """As p = 1, be it that none of its trials exists: what is told now is not taken back by what comes."""
    alone, records = _met(0.004, 0.004), contest_records(0.004, 0.004, workloads=("w", "x"))
    trials = records.trials
    other = (trials["workload"] == "x") & ((trials["stage"] == "confirm") if begun else True)
    sweep = {**records.sweep, "workloads": ["w", "x"]}
    (early,) = contests(Records(trials[~other], sweep=sweep)).values()
    late = contests(Records(trials, sweep=sweep))["w"]
    assert early.contrast.effect.p == pytest.approx(2 * alone.contrast.effect.p)
    assert late.contrast.effect.p <= early.contrast.effect.p
    assert early.contrast.effect.gain == late.contrast.effect.gain


@pytest.mark.parametrize(
    ("truth", "wrong"), [(0.0, (Outcome.HELPS, Outcome.HARMS)), (0.003, (Outcome.ALIKE,))]
)
def test_false_claims_are_as_rare_as_promised(truth: float, wrong: tuple[Outcome, ...]) -> None:
    """No difference is not called one, nor one of the margin none, in more than 5 % of 600 worlds."""
    rng = np.random.default_rng(2)
    claims = 0
    for _ in range(600):
        found = estimate(truth + rng.normal(0, 0.004, 30))
        effect = Effect(found.n, found.mean, found.low, found.high, found.sd, found.p)
        claims += judged(effect, equivalence_p(found, 0.003), 0.003) in wrong
    assert claims <= 43, "30 are expected, and more than 43 come up in 1 % of such runs"


def test_controls_are_of_the_contender_and_tell_what_makes_it_so() -> None:
    met = _met(0.01, controls={"eps-zero": 0.01, "p-one": 0.0})
    assert [control.arm for control in met.controls] == ["eps-zero", "p-one"]
    assert met.over_controls["eps-zero"].p < 0.05 < met.over_controls["p-one"].p
    assert met.over_controls["eps-zero"].gain == pytest.approx(0.01, abs=0.003)


def test_a_stage_after_the_confirmation_is_no_arm_of_it() -> None:
    records = contest_records(0.01)
    later = _trials("later", "sam", [0.99, 0.99], 0, rho=0.2, passes=2.0)
    stages = [*records.sweep["stages"], {"name": "later", "search": "grid"}]
    trials = pd.concat([records.trials, pd.DataFrame(later)], ignore_index=True)
    (met,) = contests(Records(trials, sweep={**records.sweep, "stages": stages})).values()
    assert [entrant.arm for entrant in met.entrants] == ["standard", "sam", "input", "layers"]
    assert met.rival.arm == "sam"


def test_controls_of_a_former_contender_are_none_of_the_one_that_met() -> None:
    """A search that went on has found another best; what stood beside the former one stays on record."""
    records = contest_records(0.01, controls={"eps-zero": 0.01, "p-one": 0.0})
    former: list[dict[str, Any]] = []
    for control, epsilon in (("", 3.0), ("eps-zero", 3.0), ("p-one", 3.0), ("random-direction", 3.0)):
        own = {"targets": "fc1.w", "epsilon": epsilon, "p": 0.5, **({"control": control} if control else {})}
        former += _trials("confirm", "dropattack", [0.5 + i / 100 for i in range(FRESH)], 100, **own)
    trials = pd.concat([records.trials, pd.DataFrame(former)], ignore_index=True)
    (met,) = contests(Records(trials, sweep=records.sweep)).values()
    (alone,) = contests(records).values()
    assert [control.arm for control in met.controls] == ["eps-zero", "p-one"]
    assert {n: e.gain for n, e in met.over_controls.items()} == pytest.approx(
        {n: e.gain for n, e in alone.over_controls.items()}
    )


def test_controls_that_are_one_training_for_many_configurations_count_by_their_passes() -> None:
    """An extended sweep asks for no second ε = 0 where it would be the very same training."""
    records = contest_records(0.01)
    shared = {"targets": "fc2.w", "epsilon": 2.0, "p": 0.4, "control": "eps-zero"}
    plain = {"rounds": 1.0, "control_experiment": "equal-passes"}
    rows = _trials("confirm", "dropattack", [0.88 + i / 1000 for i in range(FRESH)], 100, **shared)
    for passes in (1.0, 2.0):
        own = {**plain, "passes": passes, "rounds": passes, "configuration_id": f"rounds{passes}"}
        rows += [
            {**row, "training.learning_rate": 0.004}
            for row in _trials("confirm", "standard", [0.87] * FRESH, 100, **own)
        ]
    trials = pd.concat([records.trials, pd.DataFrame(rows)], ignore_index=True)
    (met,) = contests(Records(trials, sweep=records.sweep)).values()
    assert [(c.arm, c.identity) for c in met.controls if c.arm == "equal-passes"] == [
        ("equal-passes", "rounds1.0")
    ]
    assert {c.arm for c in met.controls} == {"eps-zero", "equal-passes"}


def test_examples_widen_the_interval_where_it_is_known_which_are_recognised() -> None:
    rng = np.random.default_rng(3)
    right: dict[str, np.ndarray] = {}

    def recognised(key: str) -> np.ndarray:
        return right.setdefault(key, rng.random(500) < 0.9)

    met = _met(0.01, recognised=recognised)
    low, high = met.contrast.crossed
    keys = [[side.keys[seed] for seed in sorted(side.keys)] for side in (met.contender, met.rival)]
    ours, theirs = (np.stack([right[key] for key in side]) for side in keys)
    assert low < ours.mean() - theirs.mean() < high
    assert np.isnan(_met(0.01).contrast.crossed).all()


def test_seeds_that_failed_are_not_waited_for() -> None:
    """The contest is over, on fewer seeds than planned, and says so."""
    records = contest_records(0.01)
    failed = (records.trials["stage"] == "confirm") & (records.trials["seed"] >= 104)
    failed &= records.trials["targets"] == "fc1.w"
    trials = records.trials.assign(state=records.trials["state"].mask(failed, "failed"))
    (verdict,) = verdicts(Records(trials, sweep=records.sweep))
    contrast = dict(verdict.headed_lines())["Primary contrast"]
    assert contrast.startswith(
        "On 4 of 12 fresh seeds, as trials of the others failed: it helps at 30 passes "
    )
    assert "trials of the confirmation failed, which has 4 of 12 seeds" in verdict.lines()[-1]
    assert contests(Records(trials[~failed], sweep=records.sweep)) == {}


def test_a_contest_is_recomputed_from_its_parquet_file(tmp_path: Path) -> None:
    """Also which examples were recognised, of confirmed trials; of a number that fills no whole bytes."""
    rng = np.random.default_rng(3)
    right: dict[str, np.ndarray] = {}

    def recognised(key: str) -> np.ndarray:
        return right.setdefault(key, rng.random(501) < 0.9)

    records = contest_records(0.01, controls={"eps-zero": 0.01}, recognised=recognised)
    write_report(records, tmp_path, ["parquet"])
    again = from_parquet(tmp_path / "trials.parquet")
    assert contests(again) == contests(records)
    assert [verdict.lines() for verdict in verdicts(again)] == [v.lines() for v in verdicts(records)]
    assert {key.split("/")[1] for key in right} == {"confirm"}


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trials.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot read"):
        from_parquet(path)
    pd.DataFrame({"key": ["a"]}).to_parquet(path)
    with pytest.raises(UsageError, match="holds no sweep"):
        from_parquet(path)
