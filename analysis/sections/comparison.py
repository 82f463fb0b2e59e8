"""What do several sweeps say, and what changed between them?"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.document import Column, Figure, Row, Section, Table, number_column, p_column, text_column
from analysis.figures.forest import ForestRow, gains_forest
from analysis.notation import with_interval
from analysis.questions.awaited import without_waiting
from analysis.questions.comparison import compare_sweeps, differing_settings
from analysis.questions.verdict import Verdict, verdicts
from analysis.records import Metric, Records
from analysis.sections.verdict import forest_row


def sections(several: Sequence[Records]) -> list[Section]:
    """What differs in the sweeps' settings, the answer of each, and how the first one's results changed.

    Args:
        several: What each sweep recorded; two at least.
    """
    first, *others = map(without_waiting, several)
    beside = [_changes(first, other, place) for place, other in enumerate(others, start=1)]
    return [_settings(several), _answers(several), *beside]


def _settings(several: Sequence[Records]) -> Section:
    table = differing_settings(several)
    title = "What differs in their settings"
    if table.empty:
        return Section("settings", title, ["The sweeps have the same settings and versions."])
    columns = [text_column("setting", "setting")]
    columns += [_setting(records.name, place) for place, records in enumerate(several)]
    words = "setting differs" if len(table) == 1 else "settings differ"
    caption = "Settings by their place in a sweep file, then versions and machines. A dash: not set there."
    return Section(
        "settings",
        title,
        [f"{len(table)} {words}."],
        [Table("settings", "Settings", caption, table, columns, shown=len(table))],
    )


def _setting(name: str, place: int) -> Column:
    return Column(name, lambda row: str(row[str(place)]) or "–")


def _answers(several: Sequence[Records]) -> Section:
    """Each sweep's first lines, and for every workload what each gained over its own plain training."""
    found = [(records.name, verdict) for records in several for verdict in verdicts(records)]
    many = len({verdict.workload for _, verdict in found}) > 1
    findings = [
        f"{name}{f', {verdict.workload}' if many else ''}: {line}"
        for name, verdict in found
        for line in verdict.lines()[:3]
    ]
    kinds = dict.fromkeys((verdict.workload, verdict.metric) for _, verdict in found)
    figures = [_forest(workload, metric, found) for workload, metric in kinds]
    return Section(
        "answers",
        "The answers",
        findings or ["None of the sweeps has a complete trial."],
        [figure for figure in figures if figure is not None],
    )


def _forest(workload: str, metric: Metric, found: Sequence[tuple[str, Verdict]]) -> Figure | None:
    """Gains of each sweep's method and controls over plain training; nothing where there are none."""
    drawn: list[ForestRow] = []
    for name, verdict in found:
        if (verdict.workload, verdict.metric) == (workload, metric):
            drawn += [forest_row(arm, verdict, name) for arm in verdict.arms if arm.over_baseline.n]
    if not drawn:
        return None
    return Figure(
        f"answers-{workload}-{metric.column}",
        f"{workload}: gains over plain training in {metric.name}",
        "Each gain is over the plain training of its own sweep, paired by seed. A filled mark is what to "
        "use.",
        "Gains of two sweeps are not paired with each other; the tables below do that.",
        f"Gains in {metric.name}: {', '.join(f'{row.label} {row.told}' for row in drawn)}.",
        partial(gains_forest, drawn, metric),
    )


def _changes(first: Records, second: Records, place: int) -> Section:
    """Configurations that two sweeps ran, paired by seed."""
    name, title = f"changes-{place}", f"{second.name} beside {first.name}"
    table = compare_sweeps(first, second)
    if table.empty:
        return Section(name, title, ["The two sweeps share no configuration and seed."])
    metric = second.reported
    return Section(name, title, [_finding(table, second.name, metric)], [_table(table, first, second, name)])


def _finding(table: pd.DataFrame, name: str, metric: Metric) -> str:
    better = int((table["significant"] & (table["change"] > 0)).sum())
    worse = int((table["significant"] & (table["change"] < 0)).sum())
    if bool((table["first"] == table["second"]).all()):
        return f"All {len(table)} shared configurations gave exactly the same {metric.name}."
    return (
        f"Of {len(table)} shared configurations {better} are significantly better in {name} and "
        f"{worse} worse in {metric.name}."
    )


def _table(table: pd.DataFrame, first: Records, second: Records, name: str) -> Table:
    metric = second.reported

    def change(row: Row) -> str:
        return with_interval(row["change"], row["low"], row["high"], metric, signed=True)

    columns = [
        text_column("workload", "workload"),
        text_column("configuration", "configuration"),
        number_column("n", "n"),
        number_column(first.name, "first", metric.decimals, metric.scale),
        number_column(second.name, "second", metric.decimals, metric.scale),
        Column("change", change, lambda row: row["change"], numeric=True, leads=True),
        p_column("p (Holm)", "p_holm"),
    ]
    caption = f"{metric.label}, paired by seed; a positive change is better in {second.name}."
    return Table(name, "Changes", caption, table, columns)
