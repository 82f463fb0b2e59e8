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
    overlapping,
    p_column,
    score_column,
    text_column,
)
from analysis.figures.ranking import critical_difference, gain_forest
from analysis.marks import marks_of
from analysis.notation import number, p_value, seeds_text, with_interval
from analysis.questions.layer_sizes import FACTOR, Confounding, confounding
from analysis.questions.layers import (
    across_workloads,
    depth_and_gain,
    interactions,
    rank_target_sets,
    scored_target_sets,
)
from analysis.records import ABSOLUTE, RELATIVE, Metric, Records, rows
from analysis.scoring import FIXED, FLATTERED, FRESH, HELD_OUT, SAME
from analysis.statistics import FEWEST

_ROWS = 25
_NOT_RANKED = "not ranked"
_HOW_HARD = (
    "Relative size: ‖M∘r‖ / ‖θ‖ in the last epoch of the runs that score a target set, a mean over its "
    f"tensors. Where sizes differ by more than a factor of {FACTOR:g}, gains may be due to the size."
)


def section(records: Records) -> Section | None:
    """Target sets ranked by their test gain, single targets against depth."""
    metric = records.explored
    scored = scored_target_sets(records, metric)
    if scored.empty:
        return None
    ranked = rank_target_sets(scored)
    parts: list[Figure | Table] = []
    for name, group in _rankings(ranked):
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
    findings = [*_finding(ranked, metric), *_sizes(ranked)]
    return Section("layers", "Which layers are worth attacking", findings, parts, _notes(ranked))


def _rankings(ranked: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each ranking by itself, with its name for people."""
    found = []
    for (workload, training, scale), group in ranked.groupby(["workload", "training", "scale"], sort=True):
        inside = [str(training)] * bool(training) + ["relative ε"] * (scale == RELATIVE)
        found.append((f"{workload} ({', '.join(inside)})" if inside else str(workload), group))
    return found


def _finding(ranked: pd.DataFrame, metric: Metric) -> list[str]:
    sentences = []
    for name, group in _rankings(ranked):
        if group["gain"].isna().all():
            sentences.append(f"{name}: {_unpaired(group, metric)}")
            continue
        distinct = group.drop_duplicates("sample")
        alike = distinct[distinct["rank"].notna()]
        sentences.append(f"{name}: {_leader(alike, metric)}.{_unranked(len(distinct) - len(alike))}")
    return sentences


def _unpaired(group: pd.DataFrame, metric: Metric) -> str:
    """What is known of target sets of which none has a gain."""
    told = "no plain training shares an attack's settings and seed, so gains are unknown"
    first = group[group["mean"].notna()].head(1)
    if first.empty:
        return f"{told}."
    best = rows(first)[0]
    mean = with_interval(best["mean"], best["low"], best["high"], metric)
    of = "" if len(group) == 1 else f" of {len(group)} target sets"
    on = f"n = {best['n']:.0f}, {best['scored_on']}"
    return f"{told}; {best['targets']} is first{of} in {metric.name}: {mean} ({on})."


def _sizes(ranked: pd.DataFrame) -> list[str]:
    """Which rankings may be of sizes rather than of layers."""
    found = [(name, confounding(group), group["scale"].iloc[0]) for name, group in _rankings(ranked)]
    return [f"{name}: {_confounded(told, str(scale))}" for name, told, scale in found if told is not None]


def _confounded(found: Confounding, scale: str) -> str:
    sizes = f"‖M∘r‖/‖θ‖ {found.high:.2g} against {found.low:.2g}"
    by = f"{found.factor:.3g} times as hard as {found.smallest} ({sizes})"
    told = f"layer and size are confounded: relative to its norm, {found.largest} was attacked {by}"
    if found.pairs:
        told += (
            f". In {found.agreeing} of {found.pairs} pairs of target sets the one attacked harder gains more"
        )
    if scale == ABSOLUTE:
        return f"{told}. `epsilon_scale: relative` attacks all at one relative size."
    different = "They were scored at different settings"
    return f"{told}. {different}; one ε and one p for all would attack them at one size."


def _leader(alike: pd.DataFrame, metric: Metric) -> str:
    """What the first of several target sets that are scored alike shows, and whether it stands out."""
    best = alike.iloc[0]
    gain = with_interval(best["gain"], best["gain_low"], best["gain_high"], metric, signed=True)
    lead = f"{best['targets']} leads with {gain}"
    if best["gain_n"] < FEWEST:
        return f"{lead}, from {seeds_text(best['gain_n'])}, too few to tell it from luck"
    if best["tier"] == FLATTERED:
        return f"{lead} by the runs that chose it, which flatters it; it is not tested"
    better = int((alike["significant"] & (alike["gain"] > 0)).sum())
    needed = ""
    if best["gain"] > 0 and best["needed"] < 1e4:
        most = f" (the largest of {len(alike)} gains is likely too high)" if len(alike) > 1 else ""
        needed = f"; about {best['needed']:.0f} seeds would show a true gain of this size{most}"
    with_seeds = f"significantly in {metric.name} with {best['gain_n']:.0f} seeds"
    if len(alike) == 1:
        beats = "beats" if better else "does not beat"
        return f"{best['targets']} {beats} the baseline {with_seeds}: {gain}{'' if better else needed}"
    if overlapping(alike, "gain_low", "gain_high"):
        lead += ", but does not stand out: intervals overlap"
    holm = f"(Holm's correction over the {len(alike)})"
    if better:
        many = f"{better} of {len(alike)} target sets beat the baseline significantly in {metric.name}"
        return f"{many} {holm}; {lead}"
    return f"none of {len(alike)} target sets beats the baseline {with_seeds} {holm}; {lead}{needed}"


def _unranked(count: int) -> str:
    """What to say of target sets that are scored less reliably than the others."""
    if not count:
        return ""
    return f" {count} more {'are' if count > 1 else 'is'} scored less reliably and not ranked."


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
