"""The numbers of docs/results.md on the experiment, recomputed from the records of its sweeps.

    python -m benchmarks.evidence docs/evidence/*.parquet

The files are what ``dropattack report SWEEP --format parquet`` writes. Holm's method corrects the primary
contrasts over the datasets that were planned. Each is a sweep of its own. One without a file counts as p = 1,
and so does one that lacks fresh seeds: nobody stops when the answer looks good.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.export import from_parquet
from analysis.notation import number, p_value, with_interval
from analysis.questions.answers import Effect
from analysis.questions.contest import Entrant, Met, contests, judged
from analysis.records import Records
from analysis.statistics import holm
from dropattack import UsageError

PLANNED = 4
"""Datasets of the protocol, whether they were run or not; the family of the correction."""


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


def met_in(file: Path) -> list[tuple[Met, str]]:
    """What met in a sweep, and whether the attack reached the models that met.

    Raises:
        UsageError: The file is none, or no arms were confirmed in it.
    """
    records = from_parquet(file)
    found = list(contests(records).values())
    if not found:
        raise UsageError(f"{file} has no arms that were confirmed; name a sweep that has some")
    return [(met, reached(records, met)) for met in found]


def reached(records: Records, met: Met) -> str:
    """How many of the contender's models are of an epoch before the first attack, and how large attacks were.

    A model is of the best epoch on validation. If no attack came before its end, it is plain training's.
    """
    trials = records.trials.drop_duplicates("key").set_index("key").loc[list(met.contender.keys.values())]
    start = trials["start"].fillna(0) if "start" in trials else 0.0
    plain = int((trials["best_epoch"] <= start * trials["epochs"]).sum())
    sizes = trials["train_relative_size"] if "train_relative_size" in trials else pd.Series(dtype=float)
    told = f"{plain} of {len(trials)} models of `{met.contender.arm}` are of an epoch before the first attack"
    if sizes.notna().any():
        told += f"; its perturbations have {100 * sizes.mean():.3g} % of the norm of what they attack"
    return f"{told}."


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


def told(several: Sequence[Met], remarks: Sequence[str]) -> str:
    """All tables, as Markdown, with a remark on each dataset."""
    several = corrected(several)
    lines = [
        "| dataset | DropAttack | the best other | difference (points) | over seeds and examples "
        "| p (Holm) | p of no difference that matters (Holm) | n | outcome |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_contrast(met) for met in several]
    for met, remark in zip(several, remarks, strict=True):
        lines += ["", f"## {met.workload}", "", remark, "", *_arms(met)]
        if met.controls:
            lines += ["", *_controls(met)]
    return "\n".join(lines)


def _contrast(met: Met) -> str:
    found, metric = met.contrast, met.metric
    low, high = (number(end * metric.scale, signed=True) for end in found.crossed)
    cells = [
        met.workload,
        f"`{met.contender.arm}`",
        f"`{met.rival.arm}`",
        _gain(found.effect, met),
        f"[{low}, {high}]",
        p_value(found.effect.p),
        p_value(found.equivalence),
        str(found.effect.n),
        found.outcome.value,
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
