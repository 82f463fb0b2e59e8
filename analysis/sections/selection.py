"""Which configurations are best, and what went wrong?"""

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
    score_column,
    text_column,
)
from analysis.figures.curves import learning
from analysis.notation import with_interval
from analysis.questions.curves import learning_curves
from analysis.questions.selection import best_of_methods, configurations, failures, optimism
from analysis.records import BASELINE, Metric, Records, asked_sizes, labels

_CURVES = 5


def best(records: Records) -> Section | None:
    """Configurations by validation mean, with their test results."""
    table = configurations(records)
    if table.empty:
        return None
    metric, selected = records.reported, records.selected
    names = [c for c in records.spelling if c != "workload"]
    names = [c for c in names if "." not in c or table[c].nunique(dropna=False) > 1]
    table = table.assign(configuration=labels(table, names))
    table = table.assign(seeds=table["fresh"].map({True: "fresh", False: "searched"}))
    columns = [
        text_column("workload", "workload"),
        Column(
            "configuration",
            lambda row: str(row["configuration"]),
            href=lambda row: records.link(str(row["run_id"])),
        ),
        text_column("seeds", "seeds"),
        number_column("n", "n"),
        *_validation(selected, metric),
        score_column(metric),
        gain_column(metric),
        number_column("passes per step", "passes", 1),
    ]
    several = asked_sizes(records.trials).groupby(records.trials["workload"]).nunique().max() > 1
    after = ", and training on fewer examples comes after training on more" * bool(several)
    tested = "" if metric == selected else f" and {metric.name}"
    parts: list[Figure | Table] = [
        Table(
            "configurations",
            "Best configurations",
            f"Ordered by mean {selected.name} on the searched seeds, which chose them; confirmed ones come "
            f"first{after}. Fresh seeds{tested} took no part in the order. "
            + ("Each links to one of its MLflow runs." if records.run_url else ""),
            table,
            columns,
            shown=15,
        )
    ]
    flattered = optimism(records)
    if len(flattered):
        parts.append(_optimism(flattered, metric, selected))
    return Section("best", "Best configurations", _finding(table, metric), parts)


def _validation(selected: Metric, metric: Metric) -> list[Column]:
    """What chose the configurations, unless it is what scores them: then the search saw no test split."""
    column = number_column(selected.label, "valid", selected.decimals, selected.scale)
    return [] if metric == selected else [column]


def _optimism(table: pd.DataFrame, metric: Metric, selected: Metric) -> Table:
    digits, scale = selected.decimals, selected.scale

    def held_out(row: Row) -> str:
        return with_interval(row["held_out"], row["low"], row["high"], selected)

    return Table(
        "optimism",
        "How far the choice flatters itself",
        "The best of many validation means is partly luck. Held out: every seed is scored by the "
        "configuration that the other seeds choose. The difference is how much the search overfits. Quote "
        "the confirmation's fresh seeds, where there are any.",
        table,
        [
            text_column("workload", "workload"),
            number_column("candidates", "candidates"),
            text_column("chosen", "configuration"),
            number_column(selected.label, "valid", digits, scale),
            Column("held out", held_out, lambda row: row["held_out"], numeric=True),
            number_column("optimism", "optimism", digits, scale),
            *([] if metric == selected else [number_column(metric.label, "test", digits, metric.scale)]),
            number_column("on fresh seeds", "fresh_test", digits, metric.scale),
            number_column("n", "fresh_n"),
        ],
    )


def _finding(table: pd.DataFrame, metric: Metric) -> list[str]:
    sentences = []
    for workload, group in table.groupby("workload", sort=True):
        attacks = group[group["method"] != BASELINE]
        if attacks.empty:
            row = group.iloc[0]
            score = with_interval(row["mean"], row["low"], row["high"], metric)
            sentences.append(f"{workload}: only the baseline ran; {metric.label} {score}.")
            continue
        row = attacks.iloc[0]
        score = with_interval(row["mean"], row["low"], row["high"], metric)
        on = "on fresh seeds" if row["fresh"] else "on the seeds it was chosen on, so a little flattered"
        plain = group.iloc[0]["method"] == BASELINE
        chooses = "the baseline, and of the attacks " if plain else ""
        sentences.append(
            f"{workload}: validation chooses {chooses}{row['configuration']}; {metric.label} "
            f"{score} (n = {row['n']:.0f}, {on})."
        )
    return sentences


def learning_section(records: Records) -> Section | None:
    """Learning curves of the best configuration of each method beside the baseline."""
    metrics = [
        Metric(c, records.mode == "max")
        for c in (records.curve.replace("valid_", "train_", 1), records.curve)
    ]
    metrics += [Metric("valid_loss", False)] if records.curve != "valid_loss" else []
    metrics = [m for m in metrics if m.column in records.epochs]
    if records.complete().empty or not metrics:
        return None
    chosen = best_of_methods(records)
    chosen["place"] = chosen["place"].where(chosen["method"] != BASELINE, -1)
    parts: list[Figure | Table] = []
    for workload, group in chosen.groupby("workload", sort=True):
        places = sorted(set(group["place"]))
        shown = group[group["place"].isin(places[:_CURVES])].sort_values("place", kind="stable")
        curves = [
            learning_curves(records, list(own["key"]), [m.column for m in metrics])
            for _, own in shown.groupby("place", sort=True)
        ]
        rows = pd.concat(curves, ignore_index=True)
        if rows.empty:
            continue
        others = group[group["place"].isin(places[_CURVES:])].sort_values("place", kind="stable")["method"]
        left_out = f" Left out, because validation ranks them lower: {', '.join(dict.fromkeys(others))}."
        parts.append(
            Figure(
                f"learning-{workload}",
                f"{workload}: learning curves",
                "Mean over seeds with 95 % t intervals, for the baseline and each method's best "
                f"configuration. Compare the distance between training and validation."
                f"{left_out if len(others) else ''}",
                "An epoch of an attack costs more passes than one of the baseline: equal epochs are not "
                "equal cost.",
                f"Learning curves of {rows['configuration'].nunique()} configurations over "
                f"{rows['epoch'].max():.0f} epochs.",
                partial(learning, rows, [m for m in metrics if (rows["metric"] == m.column).any()]),
            )
        )
    if not parts:
        return None
    return Section("learning", "Learning curves", [], parts)


def failed(records: Records) -> Section | None:
    """What failed and why; nothing where nothing did."""
    table = failures(records)
    if table.empty:
        return None
    count, reasons = int(table["n"].sum()), len(table)
    findings = [
        f"{count} of {records.trials['key'].nunique()} trials failed, for {reasons} "
        f"{'reason' if reasons == 1 else 'reasons'}; the most frequent: {table.iloc[0]['reason']}."
    ]
    columns = [
        text_column("reason", "reason"),
        number_column("trials", "n"),
        text_column("workload", "workload"),
        Column("example", lambda row: str(row["example"]), href=lambda row: records.link(str(row["run_id"]))),
    ]
    caption = "They are in no mean and no interval of this report."
    return Section(
        "failures", "Failures", findings, [Table("failures", "Failed trials", caption, table, columns)]
    )
