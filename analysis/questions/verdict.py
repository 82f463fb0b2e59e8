"""The answer of a sweep: does it help, what to use, on which layers, and what to do next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from analysis.questions.answers import Answer, Effect, Outcome, Scale, answer
from analysis.questions.arms import Arm, Compared
from analysis.questions.awaited import Awaited, awaited, without_waiting
from analysis.questions.conclusion import Conclusion
from analysis.questions.contest import Met, contests
from analysis.questions.contest_telling import awaited_told, contest_told
from analysis.questions.controls import PLAIN
from analysis.questions.doubts import doubts
from analysis.questions.layer_choice import LayerChoice, layer_choices
from analysis.questions.next_step import (
    LEARN_FIRST,
    NOTHING_MORE,
    awaited_step,
    contest_step,
    next_step,
)
from analysis.questions.recommendation import recommend, recommend_before, recommend_of_contest
from analysis.questions.scored_arms import compared
from analysis.questions.telling import named, told, withstood_text
from analysis.questions.withstanding import withstood
from analysis.records import CONFIGURATION, CONTROL, Metric, Records
from analysis.statistics import ALPHA


@dataclass(frozen=True)
class Verdict(Conclusion):
    """What a sweep shows of one workload, the same on page, terminal and MLflow.

    Attributes:
        contest: What it shows if its stages are competing arms; that is then its answer.
        awaited: What is known of such arms before they meet.
    """

    contest: Met | None = None
    awaited: Awaited | None = None

    def lines(self) -> list[str]:
        """Sentences: at equal cost, at equal epochs, what to use, which layers, under attack, what next.

        There is one on numbers of training examples only where several were tried, one on other methods only
        where fresh seeds score them, one on attacks only where trained models were attacked, and one on
        doubts only where plain training learned nothing or was still improving. Of arms that compete: the
        primary contrast, who met, all arms, the mechanism, what next; before they meet, who leads on
        validation.
        """
        return [text for _, text in self.headed_lines()]

    def headed_lines(self) -> list[tuple[str, str]]:
        """`lines`, each with its heading."""
        if self.contest is not None:
            lines = contest_told(self.contest, self.next)
        elif self.awaited is not None:
            lines = awaited_told(self.awaited, self.next)
        else:
            lines = told(self)
        if self.withstood is not None:
            lines.insert(-1, ("Under attack", withstood_text(self.withstood)))
        if self.doubt:
            lines.insert(-1, ("Doubt", f"Doubt: {self.doubt}"))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is missing is null. Gains are in the metric's own unit, not points."""
        use = self.use
        return {
            "workload": self.workload,
            "metric": self.metric.column,
            "larger_is_better": self.metric.larger_is_better,
            "lines": self.lines(),
            "equal_cost": _plain_answer(self.equal_cost),
            "equal_epochs": _plain_answer(self.equal_epochs),
            "use": None
            if use is None
            else {
                "name": named(use.arm),
                "family": use.arm.family,
                "configuration": use.arm.configuration,
                "configuration_id": use.arm.identity,
                "passes": use.arm.passes,
                "why": use.why.value,
                "n": use.arm.n,
                **{name: _plain(getattr(use.arm, name)) for name in ("mean", "low", "high")},
            },
            "baseline": _plain_baseline(self.baseline),
            "chosen_by_validation": None if self.chosen is None else _plain(asdict(self.chosen)),
            "beaten_by": None if self.beaten_by is None else self.beaten_by.family,
            "layers": None if self.layers is None else _plain(asdict(self.layers)),
            "examples": _plain(self.examples),
            "other_sizes": [
                {"examples": _plain(each.examples), **_plain_effect(each.over_baseline)}
                for each in self.other_sizes
            ],
            "under_attack": None if self.withstood is None else _plain(asdict(self.withstood)),
            "doubt": self.doubt,
            "next": asdict(self.next),
            "margin": _plain(self.scale.margin),
            "contest": None if self.contest is None else _plain_contest(self.contest),
            "awaited": None if self.awaited is None else _plain_awaited(self.awaited),
        }


def verdicts(records: Records) -> list[Verdict]:
    """The verdict of every workload that has complete trials, in the order of their names."""
    return list(_verdicts(records))


@lru_cache(maxsize=1)
def _verdicts(records: Records) -> tuple[Verdict, ...]:
    met, before, looked_at = contests(records), awaited(records), without_waiting(records)
    metric = looked_at.reported
    found = compared(looked_at, metric)
    searched = _on_searched_seeds(looked_at, metric) if _lacks_a_pair(found) else {}
    layers = layer_choices(looked_at, metric, _one_each(looked_at, found))
    attacked = withstood(looked_at) if found else {}
    doubted = doubts(looked_at) if found else {}
    verdicts = (_verdict(looked_at, metric, each, searched.get(each.workload), layers) for each in found)
    return tuple(
        _doubted(
            _with_contest(
                records,
                replace(each, withstood=attacked.get(each.workload)),
                met.get(each.workload),
                before.get(each.workload),
            ),
            doubted.get(each.workload, ""),
        )
        for each in verdicts
    )


def _doubted(verdict: Verdict, doubt: str) -> Verdict:
    """A verdict with what makes it doubtful, which then is what to do something about."""
    step = LEARN_FIRST if doubt and verdict.next == NOTHING_MORE else verdict.next
    return replace(verdict, doubt=doubt, next=step)


def _with_contest(records: Records, verdict: Verdict, met: Met | None, before: Awaited | None) -> Verdict:
    """A verdict whose answer is that of its arms, where there are any."""
    if met is not None:
        use = recommend_of_contest(met, _passes(records))
        return replace(verdict, contest=met, use=use, next=contest_step(records, met))
    if before is None:
        return verdict
    none, leads = Answer(Outcome.UNTESTED), recommend_before(before, _passes(records))
    verdict = replace(verdict, equal_cost=none, equal_epochs=none, beaten_by=None)
    return replace(verdict, awaited=before, use=leads, next=awaited_step(records, before))


def _passes(records: Records) -> dict[str, float]:
    """Passes an epoch, by configuration."""
    trials = records.trials.drop_duplicates(CONFIGURATION).set_index(CONFIGURATION)
    return {str(name): float(each) for name, each in trials["passes"].items()}


def _verdict(
    records: Records,
    metric: Metric,
    found: Compared,
    searched: Compared | None,
    layers: dict[str, LayerChoice],
) -> Verdict:
    method, baseline = found.method, found.baseline
    plain = pd.Series([] if baseline is None else list(baseline.results.values()), dtype=float)
    scale = Scale.of(metric, found.trials, plain, _margin(records, found.workload))
    control = found.equal_cost
    if control is None and searched is not None:
        control = searched.equal_cost
    elif control is not None and method is not None and not control.alike:
        over = replace(control.method_over, scored_on=method.over_baseline.scored_on)
        control = replace(control, method_over=over)
    equal_cost = Answer(Outcome.UNTESTED) if control is None else answer(control.method_over, scale)
    none = Answer(Outcome.UNTESTED)
    equal_epochs = none if method is None else answer(method.over_baseline, scale)
    if method is not None and method.costs_nothing:
        equal_cost, control = equal_epochs, baseline
    if method is not None and baseline is not None and method.epochs < baseline.epochs:
        equal_epochs = none
    return Verdict(
        workload=found.workload,
        metric=metric,
        scale=scale,
        arms=found.arms,
        chosen=found.chosen,
        equal_cost=equal_cost,
        cost_control=control,
        beaten_by=_beaten_by(found),
        equal_epochs=equal_epochs,
        use=recommend(found, scale),
        layers=layers.get(found.workload),
        next=next_step(records, found, equal_cost, equal_epochs),
        examples=found.examples,
        other_sizes=found.other_sizes,
        plain_lacks=found.plain_lacks,
    )


def _margin(records: Records, workload: str) -> float | None:
    """The margin that a confirmation of the workload states, in the metric's own unit."""
    for stage in records.sweep.get("stages", ()):
        search = stage.get("search")
        stated = search.get("margin") if isinstance(search, Mapping) else None
        if stated is not None and workload in (stage.get("workloads") or [workload]):
            return float(stated)
    return None


def _lacks_a_pair(found: Sequence[Compared]) -> bool:
    """Whether plain training of as many passes ran, but not with the seeds that score the method."""
    return any(
        each.equal_cost is None and each.trials[CONTROL].isin(PLAIN).any() and each.method is not None
        for each in found
    )


def _on_searched_seeds(records: Records, metric: Metric) -> dict[str, Compared]:
    """What is compared where confirmations are left out."""
    searched = records.trials[~records.trials["stage"].isin(records.confirmations)]
    return {each.workload: each for each in compared(replace(records, trials=searched), metric)}


def _one_each(records: Records, found: Sequence[Compared]) -> pd.DataFrame:
    """A trial of what validation chooses in each workload."""
    chosen = [each.chosen.identity for each in found if each.chosen is not None]
    trials = records.complete()
    return trials[trials[CONFIGURATION].isin(chosen)].drop_duplicates("workload")


def _beaten_by(found: Compared) -> Arm | None:
    controls = [
        arm
        for arm in found.arms
        if arm.control and not arm.is_plain and arm.method_over.p < ALPHA and arm.method_over.gain < 0
    ]
    return min(controls, key=lambda arm: arm.method_over.gain, default=None)


def _plain_baseline(arm: Arm | None) -> dict[str, Any] | None:
    """Plain training at one pass per step, as it was scored; nothing where it did not run."""
    if arm is None:
        return None
    numbers = {name: _plain(getattr(arm, name)) for name in ("mean", "low", "high")}
    return {"configuration_id": arm.identity, "n": arm.n, **numbers}


def _plain_contest(met: Met) -> dict[str, Any]:
    found = met.contrast
    return {
        "contender": met.contender.arm,
        "attack": met.credit_of_gain,
        "rival": met.rival.arm,
        "equivalence_p": _plain(found.equivalence),
        "over_seeds_and_examples": _plain(found.crossed),
        "margin": _plain(met.scale.margin),
        **_plain_answer(Answer(found.outcome, found.effect, needed=found.needed)),
        "over_arms": {arm: _plain_effect(effect) for arm, effect in met.over.items()},
        "over_controls": {control: _plain_effect(effect) for control, effect in met.over_controls.items()},
    }


def _plain_awaited(found: Awaited) -> dict[str, Any]:
    ranked = [(each.arm, each.chosen_by, each.searched) for each in found.ranked]
    return {
        "arms": list(found.arms),
        "valid": {arm: {"mean": _plain(mean), "n": n} for arm, mean, n in ranked},
        "missing": list(found.missing),
        "seeds": found.seeds,
        "ended": found.ended,
        "sides": list(found.sides),
    }


def _plain_answer(found: Answer) -> dict[str, Any]:
    effect = found.effect
    return {
        "outcome": found.outcome.value,
        **_plain_effect(effect),
        "scored_on": effect.scored_on,
        "values": [_plain(value) for value in effect.values],
        "seeds_needed": _plain(found.needed),
    }


def _plain_effect(effect: Effect) -> dict[str, Any]:
    return {"n": effect.n} | {name: _plain(getattr(effect, name)) for name in ("gain", "low", "high", "p")}


def _plain(value: Any) -> Any:
    """Values for JSON: NaN and infinity become null."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
