"""Which hyperparameters matter?"""

from functools import partial

import pandas as pd

from analysis.document import Column, Figure, Row, Section, Table, number_column, overlapping, text_column
from analysis.figures.surrogate import importance_bars
from analysis.notation import number
from analysis.questions.importance import importances
from analysis.records import Records, rows


def section(records: Records) -> Section | None:
    """Importances by fANOVA and PED-ANOVA."""
    table = importances(records)
    if table.empty:
        return None
    parts: list[Figure | Table] = [
        Figure(
            f"importance-{workload}-{method}",
            f"{workload}: {method}",
            "Share of the spread of validation results that each hyperparameter explains, with bootstrap "
            "intervals over configurations. fANOVA uses all results, PED-ANOVA uses what distinguishes the "
            "better half.",
            "Importance depends on the ranges that were tried: a wide range makes anything important.",
            f"Importances of {', '.join(dict.fromkeys(group['hyperparameter']))}.",
            partial(importance_bars, group),
        )
        for (workload, method), group in table.groupby(["workload", "method"], sort=True)
    ]
    parts.append(_table(table))
    return Section("importance", "Importance of hyperparameters", _finding(table), parts)


def _finding(table: pd.DataFrame) -> list[str]:
    sentences = []
    for (workload, method), group in table.groupby(["workload", "method"], sort=True):
        leads = []
        for evaluator, found in group.groupby("evaluator", sort=True):
            ordered = found.sort_values("importance", ascending=False, kind="stable")
            (first,) = rows(ordered.head(1))
            apart = ", but does not stand out: ranges overlap" if overlapping(ordered, "low", "high") else ""
            leads.append(f"by {evaluator} {first['hyperparameter']} matters most ({_share(first)}){apart}")
        sentences.append(f"{workload}, {method}: {'; '.join(leads)}.")
    return sentences


def _share(row: Row) -> str:
    """A share in per cent with its interval."""
    if pd.isna(row["low"]):
        return f"{number(100 * row['importance'], 0)} %, too few for an interval"
    ends = (number(100 * row[end], 0) for end in ("low", "high"))
    return f"{number(100 * row['importance'], 0)} [{', '.join(ends)}] %"


def _table(table: pd.DataFrame) -> Table:
    return Table(
        "importance",
        "Importances",
        "n counts configurations, each the mean of its seeds. Pruned and failed trials do not count.",
        table,
        [
            text_column("workload", "workload"),
            text_column("method", "method"),
            text_column("by", "evaluator"),
            text_column("hyperparameter", "hyperparameter"),
            Column("share", _share, lambda row: row["importance"], numeric=True),
            number_column("n", "n"),
        ],
    )
