"""What can a test split of its size tell?"""

import math

from analysis.records import COMPLETE, Metric, Records

_EXAMPLES, _SPLIT = "test_examples", "training.split"
_REDRAWN = "redrawn"
_TWO_SIDED = 1.96


def resolution(records: Records, metric: Metric) -> list[str]:
    """How finely each workload's test split can tell, in sentences.

    An accuracy a on n examples has the standard error √(a (1 − a) / n) from its split alone, by any seed.
    Of other metrics only the number of examples is said; of trials from before that was recorded, nothing.

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
        redrawn = _SPLIT in trials and (trials[_SPLIT] == _REDRAWN).all()
        whose = "redrawn for each seed" if redrawn else "the same for all seeds"
        known = f"{workload}: {few:,.0f} test examples, {whose}"
        level = trials[records.values(metric)].median()
        if metric.column == "test_accuracy" and 0 < level < 1:
            half = _TWO_SIDED * math.sqrt(level * (1 - level) / few)
            known += (
                f"; by their number alone, {level * 100:.1f} % of them is known to "
                f"±{half * 100:.2f} points (95 %)"
            )
        sentences.append(f"{known}.")
    return sentences
