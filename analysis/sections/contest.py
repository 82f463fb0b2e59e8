"""Which arm is best at as many passes, and what of it makes it so?"""

from functools import partial

import pandas as pd

from analysis.document import Column, Figure, Mark, Row, Section, Table, number_column, p_column, text_column
from analysis.figures.forest import ForestRow, gains_forest
from analysis.notation import seeds_text, values_or_interval, with_interval
from analysis.questions.answers import Effect
from analysis.questions.contest import Met, contests
from analysis.questions.controls import MEANING
from analysis.questions.entrants import Entrant
from analysis.records import CONFIGURATION, Metric, Records


def section(records: Records) -> Section | None:
    """Every arm of every workload, against the best of the others; nothing without a contest."""
    found = contests(records)
    if not found:
        return None
    parts: list[Figure | Table] = []
    for met in found.values():
        parts += [_arms(met)]
        parts += [_controls(met)] if met.controls else []
    ahead = [f"{met.workload}: {met.contender.arm} met {met.rival.arm}." for met in found.values()]
    notes = [
        "Each arm is a stage that searched on validation for its best configuration. Only those searches "
        "decide which arms meet. All numbers here are of fresh seeds, which took no part in a search.",
        "One difference was planned: the first line of the answer. The differences to other arms, and to "
        "controls, are secondary; Holm's method corrects them within their table.",
    ]
    return Section("contest", "The arms", ahead, parts, notes)


def _effect_column(metric: Metric, label: str) -> Column:
    def text(row: Row) -> str:
        if row["gain"] != row["gain"]:
            return "–"
        numbers = (row["gain"], row["gain_low"], row["gain_high"], row["gain_n"], row["gain_sd"])
        return values_or_interval(*numbers, metric, signed=True)

    return Column(label, text, lambda row: row["gain"], numeric=True, leads=True)


def _mean_column(metric: Metric) -> Column:
    return Column(
        metric.label,
        lambda row: with_interval(row["mean"], row["low"], row["high"], metric),
        lambda row: row["mean"],
        numeric=True,
    )


def _row(entrant: Entrant, ahead: Effect | None) -> dict[str, object]:
    nothing = float("nan")
    effect = (
        (nothing,) * 6
        if ahead is None or not ahead.n
        else (ahead.gain, ahead.low, ahead.high, ahead.n, ahead.sd, ahead.p)
    )
    names = ("gain", "gain_low", "gain_high", "gain_n", "gain_sd", "p_holm")
    own = ("arm", "configuration", "tried", "spent", "passes", "n", "mean", "low", "high")
    return {name: getattr(entrant, name) for name in own} | dict(zip(names, effect, strict=True))


def _arms(met: Met) -> Table:
    metric, contender = met.metric, met.contender
    table = pd.DataFrame([_row(e, met.over.get(e.arm)) for e in met.entrants])
    table = table.sort_values("mean", ascending=not metric.larger_is_better, kind="stable")
    columns = [
        text_column("arm", "arm"),
        _effect_column(metric, f"{contender.arm} over this"),
        p_column("p (Holm)", "p_holm"),
        _mean_column(metric),
        number_column("seeds", "n"),
        text_column("configuration", "configuration"),
        Column("passes", lambda row: f"{row['passes']:.4g}", lambda row: row["passes"], numeric=True),
        number_column("tried", "tried"),
        number_column("passes to tune", "spent"),
    ]
    return Table(
        f"arms-{met.workload}",
        f"{met.workload}: all arms",
        "The best configuration of each stage on the same fresh seeds, with 95 % intervals. Passes are of "
        f"one training, over the training split.{_of_falls(metric)}",
        table.reset_index(drop=True),
        columns,
        shown=len(table),
    )


def _of_falls(metric: Metric) -> str:
    return "" if metric.larger_is_better else f" A gain is a lower {metric.name}."


def _controls(met: Met) -> Table:
    table = pd.DataFrame([_row(e, met.over_controls.get(e.arm)) for e in met.controls])
    table.insert(1, "meaning", table["arm"].map(MEANING))
    columns = [
        text_column("control", "arm"),
        _effect_column(met.metric, f"{met.contender.arm} over this"),
        p_column("p (Holm)", "p_holm"),
        _mean_column(met.metric),
        number_column("seeds", "n"),
        text_column("what it is", "meaning"),
    ]
    return Table(
        f"mechanism-{met.workload}",
        f"{met.workload}: controls of {met.contender.arm}",
        f"Each is {met.contender.configuration} with one thing changed, on the same seeds."
        f"{_of_falls(met.metric)}",
        table,
        columns,
        shown=len(table),
    )


def forest_rows(met: Met) -> list[ForestRow]:
    """The contender's gain over each arm and over each control that ran; the planned one is marked."""
    return [_forest_row(met, entrant, effect) for entrant, effect in _shown(met)]


def _shown(met: Met) -> list[tuple[Entrant, Effect]]:
    effects = {**met.over, **met.over_controls}
    return [
        (e, effects[e.arm]) for e in (*met.entrants, *met.controls) if e.arm in effects and effects[e.arm].n
    ]


def _forest_row(met: Met, entrant: Entrant, effect: Effect) -> ForestRow:
    return ForestRow(
        f"over {entrant.arm}",
        effect.gain,
        effect.low,
        effect.high,
        effect.values,
        with_interval(effect.gain, effect.low, effect.high, met.metric, signed=True),
        entrant is met.rival,
    )


def forest(records: Records, met: Met) -> Figure:
    """The contender's gain over each arm and control, for the first screen."""
    rows = forest_rows(met)
    return Figure(
        f"contest-{met.workload}",
        f"{met.workload}: differences of {met.contender.arm} to the others",
        "Mean differences over fresh seeds with 95 % paired t intervals. A filled mark is the planned one."
        + " Differences between the dashed lines do not matter." * (met.scale.margin > 0),
        "",
        f"Differences in {met.metric.name}: {', '.join(f'{row.label} {row.told}' for row in rows)}.",
        partial(gains_forest, rows, met.metric, met.scale.margin),
        [
            Mark(f"{row.label}: {row.told}, {seeds_text(effect.n)}", _trials(records, entrant))
            for row, (entrant, effect) in zip(rows, _shown(met), strict=True)
        ],
    )


def _trials(records: Records, entrant: Entrant) -> list[int]:
    trials = records.trials
    return [int(row) for row in trials.index[trials[CONFIGURATION] == entrant.identity]]
