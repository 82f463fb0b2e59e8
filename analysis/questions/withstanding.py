"""Which way to train keeps most under the strongest attack: one sentence of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.notation import with_interval
from analysis.questions.answers import NO_EFFECT, Effect
from analysis.questions.robustness import BY, CLEAN, cases, checks, labelled, strongest_first, under_attack
from analysis.records import BASELINE, Records

_PLAIN = "plain training"


@dataclass(frozen=True)
class Kept:
    """What an attack leaves of one way to train.

    Attributes:
        name: The method, and what tells it from its siblings.
        mean: Accuracy under the attack, in [0, 1], mean over seeds.
        low: Lower end of its 95 % t interval; missing with two seeds or fewer.
        high: The upper end.
    """

    name: str
    mean: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Name, accuracy and interval in per cent."""
        return f"{self.name} {with_interval(self.mean, self.low, self.high, CLEAN)} %"


@dataclass(frozen=True)
class Withstood:
    """What the strongest attack leaves, at the ε where ways without signs of masking differ most.

    Attributes:
        attack: The attack's name, such as ``pgd-20``.
        epsilon: Its size.
        most: What keeps most, of those without a sign of masked gradients; nothing where all have one.
        plain: Plain training in the same setting; nothing where it was not attacked, has a sign of masked
            gradients, or is `most`.
        gain: Of `most` over `plain`, paired by seed, with Holm's p over the methods of its setting.
        masked: Ways with signs of masked gradients that seem to keep more, and plain training if it has one.
    """

    attack: str
    epsilon: float
    most: Kept | None
    plain: Kept | None
    gain: Effect
    masked: Sequence[str]


def withstood(records: Records) -> dict[str, Withstood]:
    """The answer under attack of every workload whose trained models were attacked."""
    if not cases(records):
        return {}
    table = labelled(with_masked(under_attack(records), checks(records)))
    return {str(workload): _withstood(group) for workload, group in table.groupby("workload", sort=True)}


def with_masked(table: pd.DataFrame, signs: pd.DataFrame) -> pd.DataFrame:
    """Adds ``masked`` to rows of `under_attack`: whether `checks` found a sign of masked gradients."""
    fired = signs[signs["finding"].fillna("").ne("")][BY].drop_duplicates().assign(masked=True)
    merged = table.merge(fired, on=BY, how="left")
    return merged.assign(masked=merged["masked"].notna())


def widest_apart(rows: pd.DataFrame) -> float:
    """The ε of an attack at which ways to train differ most, of those not ``masked`` if there are two.

    Args:
        rows: Of one workload and attack, with ``label`` and ``masked``.
    """
    unmasked = rows[~rows["masked"]]
    rows = unmasked if unmasked["label"].nunique() > 1 else rows
    spread = rows.groupby("epsilon")["mean"].agg(lambda means: means.max() - means.min())
    return float(spread.sort_values(ascending=False, kind="stable").reset_index()["epsilon"].iloc[0])


def _withstood(group: pd.DataFrame) -> Withstood:
    attack = strongest_first(group)[0]
    rows = group[group["attack"] == attack]
    epsilon = widest_apart(rows)
    ranked = rows[rows["epsilon"] == epsilon].sort_values("mean", ascending=False, kind="stable")
    honest = ranked[~ranked["masked"]]
    if honest.empty:
        return Withstood(attack, epsilon, None, None, NO_EFFECT, tuple(ranked["label"]))
    best = honest.iloc[0]
    plain = ranked[(ranked["setting"] == best["setting"]) & (ranked["method"] == BASELINE)]
    left_out = ranked["masked"] & ((ranked["mean"] > best["mean"]) | ranked.index.isin(plain.index))
    more = ranked[left_out]["label"].str.replace(BASELINE, _PLAIN, n=1, regex=False)
    plain = plain[~plain["masked"]]
    is_plain = best["method"] == BASELINE
    return Withstood(
        attack,
        epsilon,
        _kept(best),
        None if is_plain or plain.empty else _kept(plain.iloc[0]),
        NO_EFFECT if is_plain or plain.empty else _gain(best),
        tuple(more),
    )


def _kept(row: pd.Series) -> Kept:
    name = str(row["label"]).replace(BASELINE, _PLAIN, 1)
    return Kept(name, float(row["mean"]), float(row["low"]), float(row["high"]))


def _gain(row: pd.Series) -> Effect:
    gain, low, high, sd = (float(row[f"gain{each}"]) for each in ("", "_low", "_high", "_sd"))
    return Effect(int(row["gain_n"]), gain, low, high, sd, float(row["p_holm"]))
