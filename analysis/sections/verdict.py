"""The answer: a few sentences a workload, and one figure of what was compared."""

from functools import partial

from analysis.document import Figure, Mark, Section
from analysis.figures.forest import ForestRow, gains_forest
from analysis.notation import seeds_text, with_interval
from analysis.questions.arms import Arm
from analysis.questions.verdict import Verdict, verdicts
from analysis.records import CONFIGURATION, Metric, Records
from analysis.sections.contest import forest


def section(records: Records) -> Section | None:
    """The verdict of every workload; ``None`` before a trial is complete."""
    found = verdicts(records)
    if not found:
        return None
    several = len(found) > 1
    findings = [
        f"{verdict.workload}: {line}" if several else line for verdict in found for line in verdict.lines()
    ]
    figures = [figure for verdict in found if (figure := _forest(records, verdict)) is not None]
    return Section("verdict", "The answer", findings, figures)


def _forest(records: Records, verdict: Verdict) -> Figure | None:
    """Gains over plain training of all that was compared, or of an arm over all others.

    There is none where nothing has a gain, or arms have not met yet.
    """
    if verdict.contest is not None:
        return forest(records, verdict.contest)
    arms = [arm for arm in verdict.arms if arm.is_baseline or arm.over_baseline.n]
    if verdict.awaited or len(arms) < 2 or not arms[0].is_baseline:
        return None
    rows = [forest_row(arm, verdict) for arm in arms]
    names = ", ".join(f"{row.label} {row.told}" for row in rows)
    return Figure(
        f"verdict-{verdict.workload}",
        f"{verdict.workload}: gain over plain training",
        "Means over seeds with 95 % paired t intervals; with two seeds, both values. A filled mark is what "
        "to use.",
        "",
        f"Gains in {verdict.metric.name}: {names}.",
        partial(gains_forest, rows, verdict.metric),
        [
            Mark(f"{row.label}: {row.told}, {seeds_text(arm.n)}", _trials(records, arm))
            for row, arm in zip(rows, arms, strict=True)
        ],
    )


def _trials(records: Records, arm: Arm) -> list[int]:
    """The rows of a way to train, on all its seeds."""
    trials = records.trials
    return [int(row) for row in trials.index[trials[CONFIGURATION] == arm.identity]]


def forest_row(arm: Arm, verdict: Verdict, sweep: str = "") -> ForestRow:
    """A way to train as a row of a figure.

    Args:
        arm: The way.
        verdict: The verdict that compares it.
        sweep: Its sweep, if a figure shows several.
    """
    marked = verdict.use is not None and verdict.use.arm is arm
    before, cost = f"{sweep}: " if sweep else "", f"{arm.cost:.3g}×"
    if arm.is_baseline:
        level = _level(arm, verdict.metric)
        nothing = float("nan")
        return ForestRow(f"{before}plain training, {cost}", 0.0, nothing, nothing, (), level, marked)
    effect = arm.over_baseline
    told = with_interval(effect.gain, effect.low, effect.high, verdict.metric, signed=True)
    label = f"{before}{arm.control or arm.family}, {cost}"
    return ForestRow(label, effect.gain, effect.low, effect.high, effect.values, told, marked)


def _level(arm: Arm, metric: Metric) -> str:
    unit = " %" if metric.is_fraction else ""
    return f"({with_interval(arm.mean, float('nan'), float('nan'), metric)}{unit})"
