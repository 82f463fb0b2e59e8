"""What docs/results.md says beside its tables, recomputed from the records of the experiment's sweeps.

    python -m benchmarks.evidence_beside docs/evidence/*.parquet
    python -m benchmarks.evidence_beside docs/evidence/evidence-agnews.parquet --seeds-from 1011

Of each sweep: every arm and control with its results on validation and test, then the difference between any
two of them, paired by fresh seed. Nothing here was planned, and no p-value is corrected.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import pandas as pd

from analysis.notation import number, p_value
from analysis.questions.contest import Met, contests
from analysis.questions.entrants import Entrant
from analysis.records import Records
from analysis.statistics import equivalence_p, estimate
from benchmarks.evidence import recorded
from dropattack import UsageError

METRICS = ("test_accuracy", "test_macro_f1")
"""What is compared between any two, where it was recorded."""

_Results = Mapping[str, pd.DataFrame]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints all of it as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="trials.parquet of a sweep of arms"
    )
    parser.add_argument("--seeds-from", type=int, default=0, metavar="SEED", help="leave out smaller seeds")
    asked = parser.parse_args(arguments)
    try:
        for file in asked.files:
            print(beside(recorded(file), asked.seeds_from))
    except UsageError as error:
        parser.exit(2, f"{error}\n")


def beside(records: Records, seeds_from: int = 0) -> str:
    """The tables of a sweep.

    Args:
        records: Its records.
        seeds_from: Fresh seeds below this are left out.
    """
    lines: list[str] = []
    for met in contests(records).values():
        results = _results(records, met, seeds_from)
        lines += [f"## {met.workload}", "", *_ways(met, results), "", *_differences(met, results), ""]
    return "\n".join(lines)


def _results(records: Records, met: Met, seeds_from: int) -> _Results:
    """The trials on fresh seeds of each arm and control, by seed."""
    trials = records.trials.drop_duplicates("key").set_index("key")
    trials = trials[trials["seed"] >= seeds_from]
    return {
        each.arm: trials.loc[[key for key in each.keys.values() if key in trials.index]].set_index("seed")
        for each in _all(met)
    }


def _all(met: Met) -> list[Entrant]:
    return [*met.entrants, *met.controls]


def _ways(met: Met, results: _Results) -> Iterator[str]:
    """How each did, searched and fresh seeds apart."""
    yield (
        "| arm or control | validation (%), searched seeds | validation (%), fresh seeds | test accuracy (%) "
        "| its SD | test macro F1 (%) | epoch of the model (median) | of epoch 1 | of epochs | n |"
    )
    yield "|---" * 10 + "|"
    for each in _all(met):
        own = results[each.arm]
        own = own.reindex(columns=own.columns.union(["best_epoch", "epochs", *METRICS]))
        cells = [
            f"`{each.arm}`",
            number(100 * each.chosen_by) if each.searched else "–",
            number(100 * own["value"].mean()),
            number(100 * own["test_accuracy"].mean()),
            number(100 * own["test_accuracy"].std()),
            number(100 * own["test_macro_f1"].mean()),
            f"{own['best_epoch'].median():g}",
            str(int((own["best_epoch"] == 1).sum())),
            f"{own['epochs'].max():g}",
            str(len(own)),
        ]
        yield f"| {' | '.join(cells)} |"


def _differences(met: Met, results: _Results) -> Iterator[str]:
    """Each over each other, in points."""
    margin = met.scale.margin
    yield f"| one − another | metric | points | p | smaller than {number(100 * margin)} points: p | n |"
    yield "|---" * 6 + "|"
    for (one, ours), (other, theirs) in permutations(results.items(), 2):
        for metric in METRICS:
            if metric not in ours:
                continue
            found = estimate((ours[metric] - theirs[metric]).dropna())
            ends = ", ".join(number(100 * end, signed=True) for end in (found.low, found.high))
            cells = [
                f"`{one}` − `{other}`",
                metric.removeprefix("test_").replace("_", " "),
                f"{number(100 * found.mean, signed=True)} [{ends}]",
                p_value(found.p),
                p_value(equivalence_p(found, margin)),
                str(found.n),
            ]
            yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
