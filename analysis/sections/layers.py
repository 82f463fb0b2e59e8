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
    number_column,
    p_column,
    score_column,
    text_column,
)
from analysis.figures.ranking import critical_difference, gain_forest
from analysis.marks import marks_of
from analysis.notation import number, p_value, with_interval
from analysis.questions.layer_sizes import FACTOR
from analysis.questions.layers import (
    across_workloads,
    depth_and_gain,
    interactions,
    rank_target_sets,
    scored_target_sets,
)
from analysis.records import ABSOLUTE, RELATIVE, Metric, Records
from analysis.records.drawn import names_of
from analysis.scoring import FIXED, FRESH, HELD_OUT, SAME
from analysis.sections.layer_telling import rankings, sizes_told, told
from analysis.statistics import FEWEST

_ROWS = 25
_NOT_RANKED = "not ranked"
_HOW_HARD = (
    "Relative size: ‖M∘r‖ / ‖θ‖ in the last epoch of the runs that score a target set, a mean over its "
    f"tensors. Where sizes differ by more than a factor of {FACTOR:g}, gains may be due to the size."
)


def section(records: Records) -> Section | None:
    """Target sets ranked by their test gain, single targets against depth."""
    metric = _metric(records)
    scored = scored_target_sets(records, metric)
    if scored.empty:
        return None
    ranked = rank_target_sets(scored)
    parts: list[Figure | Table] = []
    for name, group in rankings(ranked):
        if len(group) > 1 and group["gain"].notna().any():
            parts.append(_forest(name, group, metric))
    parts.append(_table(ranked, metric))
    depth = depth_and_gain(scored)
    if len(depth):
        parts.append(_depth(depth))
    pairs = interactions(scored)
    pairs = pairs[pairs["n"] >= FEWEST] if len(pairs) else pairs
    if len(pairs):
        parts.append(_interactions(pairs, metric))
    for scale, own in ranked.groupby("scale", sort=True):
        parts += _across(own, str(scale))
    findings = [*told(ranked, metric), *sizes_told(ranked)]
    notes = [*_notes(ranked), *_tuned(records)]
    return Section("layers", "Which layers are worth attacking", findings, parts, notes)


def _metric(records: Records) -> Metric:
    """The quoted metric, or validation where that alone compares several target sets."""
    attacks = records.complete()
    attacks = attacks[~records.plain(attacks)]
    tested = attacks[attacks[records.values(records.reported)].notna()]
    several = "targets" in attacks and tested["targets"].nunique() < 2 <= attacks["targets"].nunique()
    return records.selected if tested.empty or several else records.reported


def _tuned(records: Records) -> list[str]:
    """A line on settings of the training that the search drew beside target sets."""
    if not records.drawn:
        return []
    own = f"Each target set has the {names_of(records.drawn)} of its best draw."
    return [f"{own} Sets that the search drew more often are tuned better."]


def _notes(ranked: pd.DataFrame) -> list[str]:
    how = {
        FRESH: "on the fresh seeds of a confirmation",
        HELD_OUT: "each seed by the setting that the other seeds' validation chose",
        FIXED: "with the one setting that ran in full",
        SAME: "by the runs that chose them or that survived pruning, which flatters them: no interval and "
        "no test",
    }
    used = [f"{key}: {how[key]}" for key in how if key in set(ranked["scored_on"])]
    return [
        f"How target sets are scored: {'; '.join(used)}. Only those that are scored alike are ranked; the "
        "others are listed below them. Significance against the baseline does not order them.",
        *([_HOW_HARD] if ranked["relative_size"].notna().any() else []),
    ]


def _forest(name: str, group: pd.DataFrame, metric: Metric) -> Figure:
    shown = group.head(_ROWS)
    left_out = f" The best {_ROWS} of {len(group)} are drawn." if len(group) > _ROWS else ""
    setting = int(group["setting"].iloc[0])
    names = shown["targets"].where(shown["rank"].notna(), shown["targets"] + f" ({_NOT_RANKED})")
    below = f" Those marked {_NOT_RANKED} are scored less reliably." if shown["rank"].isna().any() else ""
    return Figure(
        f"layers-{setting}",
        f"{name}: gain by attacked layers",
        "Mean gain over the baseline of the same seeds with its 95 % paired t interval; filled and blue "
        f"where it is significant after Holm's correction.{below}{left_out}",
        "These data do not order neighbours whose intervals overlap.",
        f"Ranked gains in {metric.name} of {len(shown)} target sets; first {shown.iloc[0]['targets']}.",
        partial(gain_forest, shown, list(names), metric),
        marks_of(shown, list(names), metric, gain=True),
    )


def _table(ranked: pd.DataFrame, metric: Metric) -> Table:
    workload = [text_column("workload", "workload")] if ranked["workload"].nunique() > 1 else []
    sizes = (
        [number_column("relative size", "relative_size", 3)] if ranked["relative_size"].notna().any() else []
    )
    return Table(
        "layers",
        "Ranking of target sets",
        "Seeds needed: how many would show a true gain of the observed size with 80 % power. The largest of "
        "several observed gains is likely too large, and its number of seeds too small.",
        ranked,
        [
            number_column("rank", "rank"),
            *workload,
            *_recipes(ranked),
            *_scales(ranked),
            text_column("targets", "targets"),
            Column("n", lambda row: f"{_seeds(row):.0f}", _seeds, numeric=True),
            score_column(metric),
            gain_column(metric),
            p_column("p (Holm)", "p_holm"),
            number_column("seeds needed", "needed"),
            *sizes,
            text_column("scored on", "scored_on"),
            text_column("setting", "configuration"),
        ],
    )


def _seeds(row: Row) -> float:
    """Seeds of the gain or, where there is none, of the score."""
    return float(row["gain_n"] or row["n"])


def _scales(table: pd.DataFrame) -> list[Column]:
    """A column that says what ε is measured in, where it is not absolute throughout."""
    return [text_column("ε is", "scale")] if (table["scale"] != ABSOLUTE).any() else []


def _recipes(table: pd.DataFrame) -> list[Column]:
    """A column that says under which settings of training, data and model, where there are several."""
    return [text_column("recipe", "training")] if table["training"].nunique() > 1 else []


def _depth(depth: pd.DataFrame) -> Table:
    def interval(row: Row) -> str:
        return f"{number(row['seed_rho'])} [{number(row['low'])}, {number(row['high'])}]"

    return Table(
        "depth",
        "Is nearer to the input better?",
        "Spearman's rho of depth and gain over single targets that are scored alike; the paper's appendix A "
        "claims a negative one. Rho per seed is the mean of each seed's own rho with its t interval; noise "
        "draws it towards 0.",
        depth,
        [
            text_column("workload", "workload"),
            *_recipes(depth),
            *_scales(depth),
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
        "Synergy is the gain of the pair minus the sum of both single gains. Over the better one: the "
        "gain of the pair minus that of its better member. Both are paired by seed; from three seeds on.",
        pairs.sort_values("synergy", ascending=False, kind="stable"),
        [
            text_column("workload", "workload"),
            *_recipes(pairs),
            *_scales(pairs),
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


def _across(ranked: pd.DataFrame, scale: str) -> list[Figure]:
    found = across_workloads(ranked, "targets")
    if found is None:
        return []
    names, test = found
    return [
        Figure(
            f"critical-difference{'-relative' if scale == RELATIVE else ''}",
            f"Across {test.blocks} workloads{', relative ε' if scale == RELATIVE else ''}",
            f"Mean ranks of target sets that every workload has; Friedman's p = {p_value(test.p)}. Bars "
            "join those that do not differ by Nemenyi's test.",
            "Ranks do not show the size of a difference. Few workloads make the critical difference wide.",
            f"Critical-difference diagram of {len(names)} target sets over {test.blocks} workloads.",
            partial(critical_difference, names, test.ranks, test.critical_difference),
        )
    ]
