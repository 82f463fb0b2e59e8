"""Which hyperparameters matter?"""

from functools import partial

import pandas as pd

from analysis.document import Column, Figure, Row, Section, Table, number, number_column, text_column
from analysis.figures.surrogate import importance_bars
from analysis.importance import importances
from analysis.records import Records


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
            "intervals over configurations. fANOVA looks at all results, PED-ANOVA at what sets the better "
            "half "
            "apart.",
            "Importance is within the ranges that were tried: a wide range makes anything important.",
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
        for evaluator, rows in group.groupby("evaluator", sort=True):
            first, *rest = rows.sort_values("importance", ascending=False, kind="stable").to_dict("records")
            clear = not rest or first["low"] > rest[0]["high"]
            leads.append(
                f"{first['hyperparameter']} by {evaluator} ({100 * first['importance']:.0f} %"
                f"{'' if clear else ', intervals overlap'})"
            )
        sentences.append(f"{workload}, {method}: {' and '.join(leads)} matters most.")
    return sentences


def _table(table: pd.DataFrame) -> Table:
    def share(row: Row) -> str:
        ends = (number(100 * row[end], 0) for end in ("low", "high"))
        return f"{number(100 * row['importance'], 0)} [{', '.join(ends)}]"

    return Table(
        "importance",
        "Importances",
        "n counts configurations, each the mean of its seeds; pruned and failed trials are in none.",
        table,
        [
            text_column("workload", "workload"),
            text_column("method", "method"),
            text_column("by", "evaluator"),
            text_column("hyperparameter", "hyperparameter"),
            Column("share (%)", share, lambda row: row["importance"], numeric=True),
            number_column("n", "n"),
        ],
    )
