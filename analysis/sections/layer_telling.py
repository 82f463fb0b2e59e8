"""What the report says in words of rankings of target sets."""

import pandas as pd

from analysis.document import overlapping
from analysis.notation import seeds_text, with_interval
from analysis.questions.layer_sizes import Confounding, confounding
from analysis.records import ABSOLUTE, RELATIVE, Metric, rows
from analysis.scoring import FLATTERED
from analysis.statistics import FEWEST


def rankings(ranked: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each ranking by itself, with its name for people."""
    found = []
    for (workload, training, scale), group in ranked.groupby(["workload", "training", "scale"], sort=True):
        inside = [str(training)] * bool(training) + ["relative ε"] * (scale == RELATIVE)
        found.append((f"{workload} ({', '.join(inside)})" if inside else str(workload), group))
    return found


def told(ranked: pd.DataFrame, metric: Metric) -> list[str]:
    """A sentence on each ranking: who leads, and whether that stands out."""
    sentences = []
    for name, group in rankings(ranked):
        if group["gain"].isna().all():
            sentences.append(f"{name}: {_unpaired(group, metric)}")
            continue
        distinct = group.drop_duplicates("sample")
        alike = distinct[distinct["rank"].notna()]
        sentences.append(f"{name}: {_leader(alike, metric)}.{_unranked(len(distinct) - len(alike))}")
    return sentences


def _unpaired(group: pd.DataFrame, metric: Metric) -> str:
    """What is known of target sets of which none has a gain."""
    known = "no gain over plain training is known"
    distinct = group.drop_duplicates("sample")
    alike = distinct[distinct["rank"].notna() & distinct["mean"].notna()]
    if alike.empty:
        return f"{known}."
    best = rows(alike.head(1))[0]
    mean = with_interval(best["mean"], best["low"], best["high"], metric)
    of = "" if len(alike) == 1 else f" of {len(alike)} target sets"
    by = " by the runs that chose it, which flatters it" if best["tier"] == FLATTERED else ""
    unranked = _unranked(len(distinct) - len(alike))
    first = f"{best['targets']} is first{of} in {metric.name}{by}: {mean} (n = {best['n']:.0f})"
    return f"{known}; {first}.{unranked}"


def sizes_told(ranked: pd.DataFrame) -> list[str]:
    """Which rankings may be of sizes rather than of layers."""
    found = [(name, confounding(group), group["scale"].iloc[0]) for name, group in rankings(ranked)]
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
