"""Does it work, beside other methods and beside its controls?"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.document import (
    Column,
    Figure,
    Row,
    Section,
    Table,
    gain_column,
    number_column,
    p_column,
    score_column,
    text_column,
)
from analysis.figures.ranking import gain_forest
from analysis.marks import marks_of
from analysis.notation import number, with_interval
from analysis.questions.arms import SAME_COST
from analysis.questions.controls import MEANING, PLAIN, compare_methods, generalisation_gap, scored_methods
from analysis.questions.resolution import resolution
from analysis.records import BUDGET, Metric, Records
from analysis.scoring import FLATTERED
from analysis.statistics import ALPHA


def section(records: Records) -> Section | None:
    """Methods and controls by gain, and the generalisation gap.

    Where a search draws settings of the training, such as a learning rate, those under which nothing can be
    paired are left out: the table would have a row for each draw, and no gain.
    """
    metric = records.reported
    scored = scored_methods(records, metric)
    if scored.empty or scored["is_baseline"].all():
        return None
    table = compare_methods(scored)
    parts: list[Figure | Table] = []
    several = _has_several_settings(table)
    told = _compared(table) if several else table
    if told.empty:
        return Section("works", "Methods and controls", _finding(table, metric), [])
    told = told if records.drawn else table
    for setting, group in table.groupby("setting", sort=True):
        shown = group[~group["is_baseline"]]
        if len(shown) > 1 and several and shown["gain"].notna().any():
            parts.append(_forest(int(str(setting)), shown, metric, _compared_at(records)))
    parts.append(_table(told, metric))
    gap = generalisation_gap(scored[scored["setting"].isin(told["setting"])], metric)
    if len(gap):
        parts.append(_gap(gap, metric))
    return Section(
        "works",
        "Methods and controls",
        _finding(table, metric),
        parts,
        [*_left_out(table, told), *_notes(table, _compared_at(records)), *resolution(records, metric)],
    )


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of training settings under which a method has a gain, or a control is compared with one."""
    known = table["gain"].notna() | table["over"].notna()
    return table[known.groupby(table["setting"]).transform("any")]


def _left_out(table: pd.DataFrame, told: pd.DataFrame) -> list[str]:
    """A line on settings that are not in a table."""
    count = table["setting"].nunique() - told["setting"].nunique()
    if not count:
        return []
    what = "setting of the training is" if count == 1 else "settings of the training are"
    return [f"{count} {what} left out: under them nothing is paired with plain training or a control."]


def _has_several_settings(table: pd.DataFrame) -> bool:
    """Whether a workload has several training settings, of which the verdict covers one."""
    return bool(table["setting"].nunique() > table["workload"].nunique())


def _name(row: pd.Series) -> str:
    return f"{row['workload']} ({row['training']})" if row["training"] else str(row["workload"])


def _finding(table: pd.DataFrame, metric: Metric) -> list[str]:
    sentences = []
    several = _has_several_settings(table)
    for _, group in table.groupby("setting", sort=True):
        methods = group[(group["control"] == "") & group["gain"].notna()]
        if methods.empty:
            continue
        name = _name(group.iloc[0])
        for _, row in methods.head(int(several)).iterrows():
            gain = with_interval(row["gain"], row["gain_low"], row["gain_high"], metric, signed=True)
            verb = "better" if row["gain"] > 0 else "worse"
            told = (
                f"is significantly {verb} than standard training in {metric.name}"
                if row["significant"]
                else f"does not differ significantly from standard training in {metric.name}"
            )
            unit = " points" if metric.is_fraction else ""
            on = ", on the runs that chose it, which flatters it" if row["tier"] == FLATTERED else ""
            sentences.append(f"{name}: {row['family']} {told}: {gain}{unit} (n = {row['gain_n']:.0f}{on}).")
        sentences += [f"{name}: {told}" for told in _beside_controls(group, metric, () if several else PLAIN)]
    paired = (table["control"] == "") & table["gain"].notna()
    nothing = ["No method shares its training settings and a seed with plain training, so gains are unknown."]
    return sentences if paired.any() else nothing


def _beside_controls(group: pd.DataFrame, metric: Metric, told: Sequence[str]) -> list[str]:
    """Which controls the method beats and which it does not, for each of the settings they ran with.

    Args:
        group: Methods and controls of one workload and training setting.
        metric: The metric by which they are compared.
        told: Controls that the verdict names already.
    """
    table = group[~group["control"].isin(["", *told]) & group["over"].notna()]
    where = ("with " + table["configuration"]).where(table["alike"], "at its best")
    beaten = (table["over_p"] < ALPHA) & (table["over"] > 0)
    sentences = []
    for (setting, won), rows in table.groupby([where, beaten], sort=True):
        gains = [number(over * metric.scale, metric.decimals, signed=True) for over in rows["over"]]
        controls = [f"{c} {gain} ({MEANING[c]})" for c, gain in zip(rows["control"], gains, strict=True)]
        verb = "beats" if won else "does not beat"
        sentences.append(
            f"{setting} the method {verb} its control{'s' * (len(controls) > 1)}: {', '.join(controls)}."
        )
    return sentences


def _compared_at(records: Records) -> str:
    """What is equal where a method is compared with standard training."""
    if BUDGET not in records.trials:
        return "equal epochs"
    stages = [stage for stage in records.sweep.get("stages", ()) if stage.get("methods")]
    whole = all(stage.get("budget") == "passes" for stage in stages)
    return "equal passes" if whole else "equal passes where a stage counts them, else at equal epochs"


def _notes(table: pd.DataFrame, at: str) -> list[str]:
    ran = set(table["control"]) - {""}
    cost_more = bool((table["passes"] > 1 + SAME_COST).any()) and at != "equal passes"
    named = {name: meaning for name, meaning in MEANING.items() if cost_more or name not in PLAIN}
    missing = [f"{name} ({meaning})" for name, meaning in named.items() if name not in ran]
    notes = [f"Controls that did not run: {'; '.join(missing)}."] if missing else []
    if ran.isdisjoint(PLAIN) and cost_more:
        notes.append(f"All comparisons are at {at}; attacks cost more passes than standard training.")
    elif at == "equal passes" and (table["passes"] > 1 + SAME_COST).any():
        notes.append("All comparisons are at equal passes; attacks train for fewer epochs.")
    return notes


def _forest(setting: int, shown: pd.DataFrame, metric: Metric, at: str) -> Figure:
    return Figure(
        f"methods-{setting}",
        f"{_name(shown.iloc[0])}: methods and controls",
        "Gain over standard training of the same seeds with its 95 % paired t interval. If a "
        "control gains as much as the method with the same settings, the attack does not explain the gain. "
        "The method is shown in its best settings.",
        f"All are at {at}, except {' and '.join(PLAIN)}: standard training with as many passes.",
        f"Gains in {metric.name} of {', '.join(shown['family'])}.",
        partial(gain_forest, shown, list(shown["family"]), metric),
        marks_of(shown, list(shown["family"]), metric, gain=True),
    )


def _table(table: pd.DataFrame, metric: Metric) -> Table:
    def over(row: Row) -> str:
        return with_interval(row["over"], row["over_low"], row["over_high"], metric, signed=True)

    return Table(
        "methods",
        "Methods and controls",
        "Method over control: how much better the method is than its control, with the same settings and "
        "seeds. If the method did not run with those settings, its best ones are compared. p has Holm's "
        "correction.",
        table.drop(columns="over_values"),
        [
            text_column("workload", "workload"),
            *_training(table),
            text_column("method", "family"),
            number_column("n", "n"),
            score_column(metric),
            gain_column(metric),
            p_column("p (Holm)", "p_holm"),
            Column("method over control", over, lambda row: row["over"], numeric=True),
            p_column("p", "over_p"),
            number_column("passes", "passes", 1),
            text_column("scored on", "scored_on"),
        ],
    )


def _gap(gap: pd.DataFrame, metric: Metric) -> Table:
    digits = metric.decimals

    def interval(row: Row, key: str, low: str, high: str) -> str:
        return with_interval(row[key], row[low], row[high], metric, signed=True)

    change = ("change", "change_low", "change_high")
    return Table(
        "gap",
        "Generalisation gap",
        "Training minus test result, and its change against the baseline of the same seeds. A smaller gap "
        "is a gain only where the test result does not fall with it. The training loop measured the training "
        "results in the last epoch.",
        gap,
        [
            text_column("workload", "workload"),
            *_training(gap),
            text_column("method", "family"),
            number_column("n", "n"),
            number_column("train", "train", digits, metric.scale),
            number_column("test", "test", digits, metric.scale),
            Column("gap", lambda r: interval(r, "gap", "low", "high"), lambda r: r["gap"], numeric=True),
            Column("change", lambda r: interval(r, *change), lambda r: r["change"], numeric=True),
            p_column("p (Holm)", "p_holm"),
        ],
    )


def _training(table: pd.DataFrame) -> list[Column]:
    """A column that tells training settings apart, where there are several."""
    return [text_column("training", "training")] if table["training"].nunique() > 1 else []
