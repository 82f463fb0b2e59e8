"""How small a difference can a test split of its size show?"""

import math

import pandas as pd

from analysis.records import COMPLETE, Metric, Records

_EXAMPLES, _SPLIT = "test_examples", "training.split"
_REDRAWN, _LEAVES_OUT = "redrawn", "leave-one-group-out"
_GROUP = "test_group_"
_TWO_SIDED = 1.96


def resolution(records: Records, metric: Metric) -> list[str]:
    """How small a difference each workload's test split can show, in sentences.

    An accuracy a on n examples has the standard error √(a (1 − a) / n) from its split alone, by any seed.
    For other metrics the sentence has only the number of examples; there is none for trials that did not
    record it. Where a group is left out, the groups are named.

    Args:
        records: What was recorded.
        metric: What is reported.
    """
    complete = records.trials[records.trials["state"] == COMPLETE]
    if _EXAMPLES not in complete:
        return []
    sentences = []
    for workload, trials in complete.dropna(subset=[_EXAMPLES]).groupby("workload"):
        few = trials[_EXAMPLES].min()
        if _SPLIT in trials and (trials[_SPLIT] == _LEAVES_OUT).any():
            sentences.append(f"{workload}: {_left_out(trials)}")
            trials = trials[trials[_SPLIT] != _LEAVES_OUT]
            if trials.empty:
                continue
            few = trials[_EXAMPLES].min()
        redrawn = _SPLIT in trials and (trials[_SPLIT] == _REDRAWN).all()
        whose = "redrawn for each seed" if redrawn else "the same for all seeds"
        known = f"{workload}: {few:,.0f} test examples, {whose}"
        level = trials[records.values(metric)].median()
        if metric.column == "test_accuracy" and 0 < level < 1:
            half = _TWO_SIDED * math.sqrt(level * (1 - level) / few)
            known += (
                f"; so many examples determine an accuracy of {level * 100:.1f} % to "
                f"±{half * 100:.2f} points (95 %)"
            )
        sentences.append(f"{known}.")
    return sentences


def _left_out(trials: pd.DataFrame) -> str:
    """Which groups were tested on, with their numbers of examples and the seeds that left them out."""
    said = []
    for column in sorted(name for name in map(str, trials) if name.startswith(_GROUP)):
        own = trials.dropna(subset=[column])
        if len(own):
            seeds = sorted(own["seed"].unique())
            listed = ", ".join(f"{seed:.0f}" for seed in seeds)
            seed = f"seed{'s' if len(seeds) > 1 else ''} {listed}"
            said.append(f"{column.removeprefix(_GROUP)} ({own[column].iloc[0]:,.0f} test examples, {seed})")
    return (
        f"left out: {'; '.join(said)}. Each group was tested on and not trained on, so seeds also differ by "
        "their group."
    )
