"""Which configurations are best in some way, and which is best by the sweep's rule?"""

import string
from functools import partial

import pandas as pd

from analysis.document import Column, Figure, Mark, Row, Section, Table, number_column, text_column
from analysis.figures.front import front_figure
from analysis.notation import seeds_text, with_interval
from analysis.questions.front import aims_of, front
from analysis.records import Metric, Records, rows

_LETTERS = string.ascii_uppercase


def section(records: Records) -> Section | None:
    """The front of every workload; nothing where a sweep has one aim, or no complete trial."""
    table = front(records)
    if table.empty:
        return None
    aims = aims_of(records)
    table = table.assign(point=_points(table))
    figures = [
        _figure(str(workload), own.reset_index(drop=True), aims, records)
        for workload, own in table.groupby("workload", sort=True)
    ]
    return Section("front", "The front", _findings(table, records), [*figures, _table(table, aims, records)])


def front_lines(records: Records) -> dict[str, list[str]]:
    """By workload the front in lines for a terminal: the rule, and a line for each configuration on it."""
    table, aims = front(records), aims_of(records)
    if table.empty:
        return {}
    found = {}
    for workload, own in table.groupby("workload", sort=True):
        shown = rows(own[(own["rank"] == 0) | own["best"] | own["plain"]])
        lines = [f"Front of {', '.join(map(_short, aims))}, means on validation:"]
        for row in shown:
            seeds = f"n = {row['n']}{' fresh seeds' * (not row['searched'])}"
            behind = ", which is not on the front" * bool(row["rank"] and not row["best"])
            told = f"{_told(row, aims)}, {seeds}: {row['configuration']}{behind}"
            lines.append(f"{'*' if row['best'] else ' '} {told}")
        found[str(workload)] = [*lines, f"* {_rule(records, own)}"]
    return found


def _points(table: pd.DataFrame) -> list[str]:
    """A letter for each configuration on its workload's front, numbers where letters run out."""
    found, used = [], dict[str, int]()
    for row in rows(table):
        place = used.get(row["workload"], 0)
        used[row["workload"]] = place + (row["rank"] == 0)
        letter = _LETTERS[place] if place < len(_LETTERS) else str(place + 1)
        found.append("" if row["rank"] else letter)
    return found


def _findings(table: pd.DataFrame, records: Records) -> list[str]:
    several = table["workload"].nunique() > 1
    found = []
    for workload, own in table.groupby("workload", sort=True):
        count, whole = int((own["rank"] == 0).sum()), len(own)
        before = f"{workload}: " * several
        told = f"{before}{count} of {whole} configurations are on the front: no other one is as good in every"
        told += " aim and better in one."
        best = rows(own[own["best"]])[0]
        name = f"{best['point']}, {best['configuration']}" if best["point"] else best["configuration"]
        means = f"{_told(best, aims_of(records))}, n = {best['n']}"
        found += [told, f"{before}{_rule(records, own)}: {name} ({means})."]
    return found


def _rule(records: Records, own: pd.DataFrame) -> str:
    """The aim in which the best is best, and whether it keeps to the constraints."""
    rule = records.rule
    if not rule.constraints or own["keeps"].any():
        return f"Best by the sweep's rule, {rule}"
    return f"None keeps to the constraints. Nearest to the sweep's rule, {rule}"


def _figure(workload: str, own: pd.DataFrame, aims: list[Metric], records: Records) -> Figure:
    marks = [
        Mark(f"{row['configuration']}: {_told(row, aims)}, {seeds_text(row['n'])}", row["trials"])
        for row in rows(own)
    ]
    count = int((own["rank"] == 0).sum())
    limits = " Dotted lines are constraints." if records.rule.constraints else ""
    more = limits + _unsearched(own)
    return Figure(
        f"front-{workload}",
        f"{workload}: the front",
        "Means over the searched seeds on validation, with 95 % t intervals from three seeds on. Letters "
        f"mark the front, the star marks the best by the rule, all others are grey.{more}",
        "These means chose the front and flatter it: quote the test columns, on fresh seeds if any.",
        f"{len(own)} configurations by {' and '.join(map(_short, aims))}; {count} of them are on the front.",
        partial(front_figure, own, aims, records.rule.constraints),
        marks,
    )


def _table(table: pd.DataFrame, aims: list[Metric], records: Records) -> Table:
    hidden = (table["rank"] > 0) & ~table["best"]
    table = table.assign(
        hidden=hidden,
        chosen=table["best"].map({True: "best", False: ""}),
        tested=table["fresh"].map({True: "fresh seeds", False: "searched seeds"}),
    )
    table = table.sort_values("hidden", kind="stable", ignore_index=True).drop(columns="hidden")
    columns = [
        text_column("workload", "workload"),
        text_column("point", "point"),
        Column(
            "configuration",
            lambda row: str(row["configuration"]),
            href=lambda row: records.link(str(row["run_id"])),
        ),
        text_column("by the rule", "chosen"),
        number_column("n", "n"),
        *(_column(metric) for metric in aims),
        *(
            _column(test)
            for test in (_on_test(metric) for metric in aims)
            if not test.is_cost and table[test.column].notna().any()
        ),
        *([text_column("tested on", "tested")] if table["fresh"].any() else []),
    ]
    if table["workload"].nunique() == 1:
        columns = columns[1:]
    caption = (
        "Means over seeds with 95 % t intervals from three seeds on. Validation chose the front and the "
        f"best; test values took no part.{_unsearched(table)}"
    )
    return Table("front", "On the front", caption, table, columns, shown=int((~hidden).sum()))


def _unsearched(table: pd.DataFrame) -> str:
    """What to say of a point that no stage searched."""
    if table["searched"].all():
        return ""
    return " Plain training, which no stage searched, is by its fresh seeds."


def _on_test(metric: Metric) -> Metric:
    return Metric(metric.column.replace("valid_", "test_", 1), metric.larger_is_better)


def _column(metric: Metric) -> Column:
    def text(row: Row) -> str:
        low, high = row[f"{metric.column}_low"], row[f"{metric.column}_high"]
        return with_interval(row[metric.column], low, high, metric)

    return Column(metric.label, text, lambda row: row[metric.column], numeric=True)


def _told(row: Row, aims: list[Metric]) -> str:
    """Each aim's mean with its interval and unit: ``97.10 % · 45.20 [44.10, 46.30] %``."""
    return " · ".join(_value(row, metric) for metric in aims)


def _value(row: Row, metric: Metric) -> str:
    unit = " %" if metric.is_fraction else " passes" if metric.is_cost else f" {_short(metric)}"
    return f"{_column(metric).text(row)}{unit}"


def _short(metric: Metric) -> str:
    """A metric's name without its split."""
    return metric.name.removeprefix("validation ")
