"""The numbers of docs/results.md on the experiment, recomputed from the records of its sweeps.

    python -m benchmarks.evidence docs/evidence/*.parquet

The files are what ``dropattack report SWEEP --format parquet`` writes. Holm's method corrects the primary
contrasts over the datasets that were planned. Each is a sweep of its own. One without a file counts as p = 1,
and so does one that lacks fresh seeds: nobody stops when the answer looks good.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.export import from_parquet
from analysis.notation import number, p_value, with_interval
from analysis.questions.answers import Effect, Outcome
from analysis.questions.contest import Credit, Met, contests, judged
from analysis.questions.entrants import Entrant
from analysis.records import Records
from analysis.statistics import holm
from dropattack import UsageError
from dropattack.settings import EPS_ZERO

PLANNED = 4
"""Datasets of the protocol, whether they were run or not; the family of the correction."""


@dataclass(frozen=True)
class Reached:
    """Whether attacks reached the models that met.

    A model is of the best epoch on validation. If no attack came before its end, it is plain training's.

    Attributes:
        arm: The contender.
        models: How many models it has, one a fresh seed.
        plain: How many are of an epoch before the first attack.
        size: Mean norm of its perturbations relative to what they attack; NaN where that is not recorded.
    """

    arm: str
    models: int
    plain: int
    size: float

    @property
    def told(self) -> str:
        """A sentence for people."""
        told = f"{self.plain} of {self.models} models of `{self.arm}` are of an epoch before the first attack"
        if not math.isnan(self.size):
            told += f"; its perturbations have {100 * self.size:.3g} % of the norm of what they attack"
        return f"{told}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="trials.parquet of a sweep of arms"
    )
    try:
        found = [each for file in parser.parse_args(arguments).files for each in met_in(file)]
        print(told([met for met, _ in found], [reached for _, reached in found]))
    except UsageError as error:
        parser.exit(2, f"{error}\n")


def met_in(file: Path) -> list[tuple[Met, Reached]]:
    """What met in a sweep, and whether the attack reached the models that met.

    Raises:
        UsageError: The file is none, or no arms have met in it.
    """
    records = recorded(file)
    return [(met, reached(records, met)) for met in contests(records).values()]


def recorded(file: Path) -> Records:
    """The records of a sweep whose arms have met.

    Raises:
        UsageError: The file is none, or no arms have met in it.
    """
    records = from_parquet(file)
    if not contests(records):
        raise UsageError(f"{file} has no arms that have met on all fresh seeds; name a sweep that has some")
    return records


def reached(records: Records, met: Met) -> Reached:
    """How many of the contender's models an attack reached, and how large attacks were."""
    trials = records.trials.drop_duplicates("key").set_index("key").loc[list(met.contender.keys.values())]
    start = trials["start"].fillna(0) if "start" in trials else 0.0
    plain = int((trials["best_epoch"] <= start * trials["epochs"]).sum())
    sizes = trials["train_relative_size"] if "train_relative_size" in trials else pd.Series(dtype=float)
    return Reached(met.contender.arm, len(trials), plain, float(sizes.mean()))


def ruled(met: Met, attack: Reached) -> str:
    """What the protocol's two rules make of a corrected contrast: what it is credited to, and where it holds.

    A gain is the attack's if the contender is significantly better than its own control without perturbation.
    If most of its models are of an epoch before the first attack, the verdict is about plain training. It
    goes beyond these test examples if the interval over seeds and examples says the same.
    """
    found = met.contrast
    if found.outcome is Outcome.UNDECIDED:
        return "Undecided."
    sentences = [f"{found.outcome.value.capitalize()}, {_where(met)}."]
    if found.outcome is Outcome.HELPS:
        shown = met.credit is Credit.SHOWN
        owner = "The attack has a part in it" if shown else "The gain is not credited to the attack"
        why = f"its control `{EPS_ZERO}` lacks fresh seeds"
        if (control := met.over_untouched) is not None:
            gain, p = _gain(control, met), p_value(control.p)
            why = f"the arm has {gain} points over its control `{EPS_ZERO}` (p-value {p})"
        sentences.append(f"{owner}: {why}.")
    if 2 * attack.plain > attack.models:
        sentences.append("Most of its models saw no attack: this is about plain training of that length.")
    return " ".join(sentences)


def _where(met: Met) -> str:
    """Whether the interval over seeds and examples agrees with the outcome."""
    low, high = met.contrast.crossed
    margin = met.scale.margin
    agrees = {
        Outcome.HELPS: low > 0,
        Outcome.HARMS: high < 0,
        Outcome.ALIKE: -margin <= low and high <= margin,
    }
    return "on other examples too" if agrees[met.contrast.outcome] else "on these test examples"


def corrected(several: Sequence[Met]) -> list[Met]:
    """The contrasts after Holm's correction of both p-values over the planned datasets."""
    whole = [met.contrast.effect.n >= met.seeds for met in several]
    different = _over_planned([met.contrast.effect.p for met in several], whole)
    alike = _over_planned([met.contrast.equivalence for met in several], whole)
    made = []
    for met, p, equivalence in zip(several, different, alike, strict=True):
        effect = replace(met.contrast.effect, p=p)
        outcome = judged(effect, equivalence, met.scale.margin)
        contrast = replace(met.contrast, effect=effect, equivalence=equivalence, outcome=outcome)
        made.append(replace(met, contrast=contrast))
    return made


def _over_planned(values: Sequence[float], whole: Sequence[bool]) -> list[float]:
    """p-values after Holm's correction; 1 where one is missing, cannot be known, or is not of all seeds."""
    known = [*np.where(whole, np.nan_to_num(values, nan=1.0), 1.0), *[1.0] * (PLANNED - len(values))]
    return [float(p) for p in holm(known)[: len(values)]]


def told(several: Sequence[Met], attacks: Sequence[Reached]) -> str:
    """All tables, as Markdown, with each dataset's verdict by the rules of the protocol."""
    several = corrected(several)
    lines = [
        "| dataset | outcome | DropAttack | the best other | difference (points) | over seeds and examples "
        "| p (Holm) | equivalence: p (Holm) | n |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_contrast(met) for met in several]
    for met, attack in zip(several, attacks, strict=True):
        lines += ["", f"## {met.workload}", "", f"{ruled(met, attack)} {attack.told}", "", *_arms(met)]
        if met.controls:
            lines += ["", *_controls(met)]
    return "\n".join(lines)


def _contrast(met: Met) -> str:
    found, metric, part = met.contrast, met.metric, met.credit_of_gain
    low, high = (number(end * metric.scale, signed=True) for end in found.crossed)
    cells = [
        met.workload,
        found.outcome.value + (f", but {part}" if part not in (None, Credit.SHOWN) else ""),
        f"`{met.contender.arm}`",
        f"`{met.rival.arm}`",
        _gain(found.effect, met),
        f"[{low}, {high}]",
        p_value(found.effect.p),
        p_value(found.equivalence),
        str(found.effect.n),
    ]
    return _row(cells)


def _arms(met: Met) -> list[str]:
    over: Mapping[str, Effect] = met.over
    lines = [
        f"| arm | {met.metric.label} | what `{met.contender.arm}` has more | p (Holm) | configuration "
        "| passes | tried | passes to tune | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entrant in sorted(met.entrants, key=lambda entrant: -entrant.mean * met.metric.sign):
        effect = over.get(entrant.arm)
        lines.append(
            _row(
                [
                    f"`{entrant.arm}`",
                    _mean(entrant, met),
                    "–" if effect is None else _gain(effect, met),
                    "–" if effect is None else p_value(effect.p),
                    entrant.configuration,
                    f"{entrant.passes:.4g}",
                    str(entrant.tried),
                    f"{entrant.spent:,.0f}",
                    str(entrant.n),
                ]
            )
        )
    return lines


def _controls(met: Met) -> list[str]:
    lines = [
        f"| control | {met.metric.label} | what `{met.contender.arm}` has more | p (Holm) | seeds |",
        "|---|---|---|---|---|",
    ]
    for entrant in met.controls:
        effect = met.over_controls[entrant.arm]
        cells = [_mean(entrant, met), _gain(effect, met), p_value(effect.p), str(entrant.n)]
        lines.append(_row([f"`{entrant.arm}`", *cells]))
    return lines


def _gain(effect: Effect, met: Met) -> str:
    return with_interval(effect.gain, effect.low, effect.high, met.metric, signed=True)


def _mean(entrant: Entrant, met: Met) -> str:
    return with_interval(entrant.mean, entrant.low, entrant.high, met.metric)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    main()
