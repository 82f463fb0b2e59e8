"""Which layers are worth attacking?"""

from functools import partial

import pandas as pd

from analysis.document import (
    Column,
    Figure,
    Row,
    Section,
    Table,
    gain_column,
    number,
    number_column,
    p_column,
    p_value,
    score_column,
    text_column,
    with_interval,
)
from analysis.figures.ranking import critical_difference, gain_forest
from analysis.ranking import (
    across_workloads,
    depth_and_gain,
    interactions,
    rank_target_sets,
    scored_target_sets,
)
from analysis.records import Metric, Records

_ROWS = 25


def section(records: Records) -> Section | None:
    """Target sets ranked by their test gain, single targets against depth."""
    metric = records.reported
    scored = scored_target_sets(records, metric)
    if scored.empty:
        return None
    ranked = rank_target_sets(scored)
    parts: list[Figure | Table] = []
    for (workload, training), group in ranked.groupby(["workload", "training"], sort=True):
        if len(group) > 1:
            parts.append(_forest(str(workload), str(training), group, metric))
    parts.append(_table(ranked, metric))
    depth = depth_and_gain(scored)
    if len(depth):
        parts.append(_depth(depth))
    pairs = interactions(scored)
    if len(pairs):
        parts.append(_interactions(pairs, metric))
    parts += _across(ranked)
    return Section(
        "layers", "Which layers are worth attacking", _finding(ranked, metric), parts, _notes(ranked)
    )


def _finding(ranked: pd.DataFrame, metric: Metric) -> list[str]:
    sentences = []
    for (workload, training), group in ranked.groupby(["workload", "training"], sort=True):
        name = f"{workload} ({training})" if training else str(workload)
        if group["gain"].isna().all():
            sentences.append(f"{name}: no baseline shares a seed with the attacks, so gains are unknown.")
            continue
        best = group.iloc[0]
        gain = number(best["gain"] * metric.scale, signed=True)
        better = group[group["significant"] & (group["gain"] > 0)]
        if len(better):
            sentences.append(
                f"{name}: {len(better)} of {len(group)} target sets beat the baseline significantly in "
                f"{metric.name}; {better.iloc[0]['targets']} leads with "
                f"{number(better.iloc[0]['gain'] * metric.scale, signed=True)}."
            )
        elif best["gain_n"] < 2:
            sentences.append(
                f"{name}: {best['targets']} leads with {gain}, from a single seed, "
                "which cannot tell it from luck."
            )
        else:
            needed = best["needed"]
            more = f"; about {needed:.0f} seeds would show a gain of this size" if needed < 1e4 else ""
            sentences.append(
                f"{name}: none of {len(group)} target sets beats the baseline significantly in {metric.name} "
                f"with {best['gain_n']:.0f} seeds; {best['targets']} leads with {gain}{more}."
            )
    return sentences


def _notes(ranked: pd.DataFrame) -> list[str]:
    how = {
        "fresh seeds": "on the fresh seeds of a confirmation",
        "other seeds": "each seed by the setting that the other seeds' validation chose",
        "one setting": "with the one setting that was tried",
        "the same seed": "by its best setting on that same seed, which flatters it",
    }
    used = [how[key] for key in how if key in set(ranked["scored_on"])]
    return [f"Target sets are scored {'; '.join(used)}. Ties in significance are not a ranking."]


def _forest(workload: str, training: str, group: pd.DataFrame, metric: Metric) -> Figure:
    name = f"{workload} ({training})" if training else workload
    shown = group.head(_ROWS)
    left_out = f" The best {_ROWS} of {len(group)} are drawn." if len(group) > _ROWS else ""
    setting = int(group["setting"].iloc[0])
    return Figure(
        f"layers-{setting}",
        f"{name}: gain by attacked layers",
        "Mean gain over the baseline of the same seeds with its 95 % paired t interval; filled and blue "
        f"where it is significant after Holm's correction.{left_out}",
        "Neighbours whose intervals overlap are not ordered by these data.",
        f"Ranked gains in {metric.name} of {len(shown)} target sets; first {shown.iloc[0]['targets']}.",
        partial(gain_forest, shown, list(shown["targets"]), metric),
    )


def _table(ranked: pd.DataFrame, metric: Metric) -> Table:
    workload = [text_column("workload", "workload")] if ranked["workload"].nunique() > 1 else []
    training = [text_column("training", "training")] if ranked["training"].nunique() > 1 else []
    return Table(
        "layers",
        "Ranking of target sets",
        "Seeds needed: how many would show a true gain of the observed size with 80 % power.",
        ranked,
        [
            number_column("rank", "rank"),
            *workload,
            *training,
            text_column("targets", "targets"),
            number_column("n", "gain_n"),
            score_column(metric),
            gain_column(metric),
            p_column("p (Holm)", "p_holm"),
            number_column("seeds needed", "needed"),
            text_column("scored on", "scored_on"),
            text_column("setting", "configuration"),
        ],
    )


def _depth(depth: pd.DataFrame) -> Table:
    def interval(row: Row) -> str:
        return f"{number(row['seed_rho'])} [{number(row['low'])}, {number(row['high'])}]"

    return Table(
        "depth",
        "Is nearer to the input better?",
        "Spearman's rho of depth and gain over single targets; the paper's appendix A claims a negative one. "
        "Beside it the mean of each seed's own rho with its t interval, which noise draws towards 0.",
        depth,
        [
            text_column("workload", "workload"),
            number_column("targets", "targets"),
            number_column("rho", "rho", 2),
            p_column("p (permutation)", "p_value"),
            Column("rho per seed", interval, lambda row: row["seed_rho"], numeric=True),
            number_column("n", "n"),
        ],
    )


def _interactions(pairs: pd.DataFrame, metric: Metric) -> Table:
    def synergy(row: Row) -> str:
        return with_interval(row["synergy"], row["low"], row["high"], metric, signed=True)

    def over(row: Row) -> str:
        return with_interval(row["over_best"], row["over_low"], row["over_high"], metric, signed=True)

    return Table(
        "interactions",
        "Which targets help together",
        "Synergy is the gain of the pair beyond the sum of both single gains; over the better one, what the "
        "pair adds to its better member. Both are paired by seed.",
        pairs.sort_values("synergy", ascending=False, kind="stable"),
        [
            text_column("workload", "workload"),
            text_column("first", "a"),
            text_column("second", "b"),
            number_column("n", "n"),
            Column("synergy", synergy, lambda row: row["synergy"], numeric=True),
            p_column("p (Holm)", "p_holm"),
            text_column("better one", "better"),
            Column("over the better one", over, lambda row: row["over_best"], numeric=True),
        ],
        shown=15,
    )


def _across(ranked: pd.DataFrame) -> list[Figure]:
    found = across_workloads(ranked, "targets")
    if found is None:
        return []
    names, test = found
    return [
        Figure(
            "critical-difference",
            f"Across {test.blocks} workloads",
            f"Mean ranks of target sets that every workload has; Friedman's p = {p_value(test.p)}. Bars "
            "join those "
            "that Nemenyi's test does not tell apart.",
            "Ranks tell nothing about the size of a difference; few workloads make the critical difference "
            "wide.",
            f"Critical-difference diagram of {len(names)} target sets over {test.blocks} workloads.",
            partial(critical_difference, names, test.ranks, test.critical_difference),
        )
    ]
