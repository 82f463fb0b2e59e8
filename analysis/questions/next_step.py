"""The next step: one command that would decide what is undecided."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.notation import listed
from analysis.questions.answers import FIRST_SEEDS, Answer, Outcome
from analysis.questions.arms import Arm, Compared
from analysis.questions.awaited import Awaited
from analysis.questions.contest import Credit, Met, needed
from analysis.records import BASELINE, FAILED, RUNNING, Records
from analysis.scoring import FLATTERED, FRESH, TIERS
from analysis.typed import not_retrying, overriding, retrying
from dropattack.settings import EPS_ZERO, EQUAL_PASSES

_MOST_SEEDS = 100
"""Seeds beyond which no command is given: a difference that needs more is hardly worth its passes."""
_FIRST_FRESH = 100
_ONE_SIDE_FAILED = "see why the trials of one side failed; if the cause was outside of them, try them"
_LOOK_ONCE = "look again when all of them have ended, since p-values do not correct for several looks"


@dataclass(frozen=True)
class NextStep:
    """A step that would show more.

    Attributes:
        text: What to do and why, a sentence without its full stop.
        command: The command to type; "" if no command does it.
        seeds: How many seeds in all; 0 if more seeds are not the step.
    """

    text: str
    command: str = ""
    seeds: int = 0


NOTHING_MORE = NextStep("nothing more is needed to answer this")
LEARN_FIRST = NextStep(
    "let plain training learn first, with more epochs or another learning rate, in a sweep of another name"
)
"""The step after an answer that plain training makes doubtful."""


def next_step(records: Records, compared: Compared, equal_cost: Answer, equal_epochs: Answer) -> NextStep:
    """What to do next in a workload.

    Args:
        records: What was recorded, with the sweep and what was typed to run it.
        compared: What is compared.
        equal_cost: The method against plain training of as many passes.
        equal_epochs: The method against plain training of as many epochs.
    """
    method = compared.method
    if method is None:
        return NextStep("add a method to compare with plain training")
    stages = _Stages(records, compared.workload)
    if compared.baseline is None or not method.over_baseline.n:
        return _beside_plain(records, compared, stages, method)
    if TIERS.get(method.over_baseline.scored_on) == FLATTERED and not stages.confirm:
        return NextStep(
            f"score it on seeds that did not choose it, with one more stage: `{stages.added(method)}`"
        )
    if unfinished := stages.unfinished(records.trials):
        return unfinished
    if equal_cost.outcome is Outcome.UNTESTED:
        return _test_equal_cost(stages, method)
    if equal_cost.decided:
        return NOTHING_MORE
    if equal_cost.too_coarse or equal_epochs.too_coarse:
        return NextStep("test on more examples: this test split is too small to show what matters")
    on_fresh = bool(stages.confirm) and equal_cost.effect.scored_on == FRESH
    found, asked = equal_cost.effect.n, len(stages.seeds(on_fresh))
    if on_fresh and found < asked and stages.has_failures(records.trials):
        return stages.finished(records.trials, f"which has {found} of {asked} seeds")
    return _more_seeds(stages, equal_cost.needed, on_fresh)


def awaited_step(records: Records, before: Awaited) -> NextStep:
    """What to do before arms have met.

    Args:
        records: What was recorded.
        before: What is known of the contest.
    """
    stages = _Stages(records, before.workload)
    if not before.ended and (len(before.sides) > 1 or stages.unfinished(records.trials)):
        return NextStep("run the sweep to its end, since the two sides share no fresh seed yet", stages.run)
    if 0 < before.ended < before.seeds:
        has = f"which has {before.ended} of {before.seeds} seeds"
        return NextStep(f"finish the confirmation, {has}", stages.run)
    return stages.retried(_ONE_SIDE_FAILED)


def contest_step(records: Records, met: Met) -> NextStep:
    """What to do where arms have met.

    Args:
        records: What was recorded.
        met: What the contest shows.
    """
    stages, found = _Stages(records, met.workload), met.contrast.effect.n
    if not found:
        return stages.retried(_ONE_SIDE_FAILED)
    if found < met.seeds:
        return stages.finished(records.trials, f"which has {found} of {met.seeds} seeds")
    if not math.isnan(met.contrast.needed):
        return _more_seeds(stages, met.contrast.needed, on_fresh=True)
    if met.contrast.outcome is Outcome.HELPS:
        return _whether_the_attack(records, stages, met)
    return NOTHING_MORE


def _whether_the_attack(records: Records, stages: "_Stages", met: Met) -> NextStep:
    """How to see whether a gain is the attack's, where its method has a control that leaves it out."""
    controls = [str(name) for name in _search(stages.confirm).get("controls") or ()]
    if met.credit is Credit.UNTESTED and not met.attacks:
        return NOTHING_MORE
    if met.credit is Credit.UNTESTED and EPS_ZERO in controls:
        has = met.over_controls[EPS_ZERO].n if EPS_ZERO in met.over_controls else 0
        return stages.finished(records.trials, f"whose control {EPS_ZERO} has {has} of {met.seeds} seeds")
    if met.credit is Credit.UNTESTED:
        path = f"stages.{stages.confirm['name']}.search.controls"
        text = "see whether the attack has a part in it, by the same training without a perturbation"
        return stages.changed(text, path, f"[{', '.join([*controls, EPS_ZERO])}]")
    untouched = met.over_untouched
    if met.credit is not Credit.UNSHOWN or untouched is None:
        return NOTHING_MORE
    if untouched.gain <= 0:
        return NextStep("stop here: more seeds are not likely to show that the attack has a part in it")
    seeds = needed(untouched, met.scale.margin, len(met.over_controls))
    return _more_seeds(stages, seeds, on_fresh=True, shown="show whether the attack has a part in it")


class _Stages:
    """A sweep's stages as its file has them, and the command that runs it."""

    def __init__(self, records: Records, workload: str) -> None:
        self._sweep, self._workload = records.sweep, workload
        own = [s for s in self._sweep.get("stages", ()) if workload in (s.get("workloads") or [workload])]
        confirms = [s for s in own if s.get("name") in records.confirmations or _kind(s) == "confirm"]
        confirms.sort(key=lambda stage: not _search(stage).get("arms"))
        self.confirm: Mapping[str, Any] = confirms[0] if confirms else {}
        self.plain: Mapping[str, Any] = next(
            (s for s in own if _kind(s) == "grid" and BASELINE in (s.get("methods") or {})), {}
        )
        typed = [command for run in records.runs if (command := str(run.get("command") or ""))]
        run = [command for command in typed if " run " in command]
        self._script = typed[-1] if typed and not run else ""
        last = run[-1] if run else f"dropattack run {shlex.quote(records.name)}"
        self.run = self._script or not_retrying(last)

    def finished(self, trials: pd.DataFrame, has: str) -> NextStep:
        """To finish the confirmation; trials that failed are not tried again by themselves.

        Args:
            trials: All of the sweep.
            has: What it has so far, as in ``which has 3 of 5 seeds``.
        """
        if self.has_failures(trials):
            text = f"see why trials of the confirmation failed, {has}; if the cause was outside of them, try"
            return self.retried(f"{text} them")
        return NextStep(f"finish the confirmation, {has}", self.run)

    def has_failures(self, trials: pd.DataFrame) -> bool:
        """Whether a trial of the confirmation failed."""
        own = (trials["stage"] == self.confirm.get("name", "")) & (trials["workload"] == self._workload)
        return bool((own & (trials["state"] == FAILED)).any())

    def retried(self, text: str) -> NextStep:
        """To try failed trials again."""
        if self._script:
            return NextStep(f"{text} again with `retry_failed=True`", self._script)
        return NextStep(f"{text} again", retrying(self.run))

    def changed(self, text: str, path: str, value: str, seeds: int = 0) -> NextStep:
        """To run with one setting more, in place of an earlier one of the same path."""
        if self._script:
            return NextStep(
                f"{text}; set `{path}` to `{value}` in its sweep, and run it", self._script, seeds
            )
        return NextStep(text, overriding(self.run, path, value), seeds)

    def seeds(self, on_fresh: bool) -> list[int]:
        """The seeds of the confirmation, or those that are searched."""
        return list(_search(self.confirm)["seeds"] if on_fresh else self._sweep.get("seeds") or [0])

    def unfinished(self, trials: pd.DataFrame) -> NextStep | None:
        """To run the sweep again where no trial of some of the confirmation's seeds has ended.

        Args:
            trials: All of the sweep.
        """
        seeds = set(_search(self.confirm).get("seeds") or ())
        own = (trials["stage"] == self.confirm.get("name", "")) & (trials["workload"] == self._workload)
        left = seeds - set(trials.loc[own & (trials["state"] != RUNNING), "seed"])
        if not left:
            return None
        found = f"which has {len(seeds) - len(left)} of {len(seeds)} seeds"
        return NextStep(f"finish the confirmation, {found}", self.run)

    def added(self, method: Arm) -> str:
        """A stage that confirms a method, as a sweep file has it; plain training is confirmed beside it."""
        seeds = [_FIRST_FRESH + i for i in range(FIRST_SEEDS)]
        controls = "" if method.costs_nothing else f", controls: [{EQUAL_PASSES}]"
        return f"- {{name: confirm, search: {{kind: confirm, seeds: {seeds}{controls}}}}}"


def _search(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    search = stage.get("search") or "grid"
    return search if isinstance(search, Mapping) else {"kind": str(search)}


def _kind(stage: Mapping[str, Any]) -> str:
    return str(_search(stage).get("kind", "grid"))


def _beside_plain(records: Records, compared: Compared, stages: _Stages, method: Arm) -> NextStep:
    """How to get plain training to compare with; a confirmation has it, with the method's own settings."""
    if stages.confirm and (unfinished := stages.unfinished(records.trials)):
        return unfinished
    if compared.plain_lacks and not stages.confirm:
        same = listed(compared.plain_lacks)
        text = f"train it and plain training with the same {same} on fresh seeds, in one more stage"
        return NextStep(f"{text}: `{stages.added(method)}`")
    return NextStep(f"add plain training with the same seeds to the sweep: `methods: {{{BASELINE}: {{}}}}`")


def _test_equal_cost(stages: _Stages, method: Arm) -> NextStep:
    if method.misses_budget:
        return NextStep(f"test it at equal cost, in a budget that epochs of {method.passes:.3g} passes fill")
    text = f"test it at equal cost, against plain training of {method.passes:g} passes an epoch"
    if stages.confirm:
        path = f"stages.{stages.confirm['name']}.search.controls"
        return stages.changed(text, path, f"[{EQUAL_PASSES}]")
    rounds = f"rounds: [1, {method.passes:g}]"
    spaces = (stages.plain.get("methods") or {}).get(BASELINE)
    if spaces in (None, [], {}, [{}]) and stages.plain:
        path = f"stages.{stages.plain['name']}.methods.{BASELINE}"
        return stages.changed(text, path, f"{{{rounds}}}")
    return NextStep(f"{text}: give `{BASELINE}` the setting `{rounds}`")


def _more_seeds(stages: _Stages, needed: float, on_fresh: bool, shown: str = "decide it") -> NextStep:
    if math.isinf(needed):
        return NextStep(f"stop here: no number of seeds that can be trained would {shown}")
    if needed > _MOST_SEEDS:
        text = f"stop here, or train about {needed:.0f} seeds: fewer would probably not {shown}"
        return NextStep(text, seeds=int(needed))
    seeds = _filled_up(stages.seeds(on_fresh), int(needed))
    path = f"stages.{stages.confirm['name']}.search.seeds" if on_fresh else "seeds"
    text = f"train {len(seeds)} seeds, which would probably {shown}; {_LOOK_ONCE}"
    return stages.changed(text, path, _spelled(seeds), len(seeds))


def _spelled(seeds: Sequence[int]) -> str:
    """Seeds as a sweep file has them: more than ten that follow one another as a range."""
    low, high = seeds[0], seeds[0] + len(seeds) - 1
    follow = len(seeds) > 10 and list(seeds) == [*range(low, high + 1)]
    return f"{{low: {low}, high: {high}}}" if follow else str(list(seeds))


def _filled_up(seeds: Sequence[int], count: int) -> list[int]:
    """Seeds and those that follow the largest, as many as asked for."""
    more = range(max(seeds) + 1, max(seeds) + 1 + max(count - len(seeds), 0))
    return [*seeds, *more]
