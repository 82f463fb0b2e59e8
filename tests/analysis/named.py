"""Trainings that were asked for under several names, as the search service records them: a row for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from analysis.records import CONFIGURATION, CONTROL, Metric, Records

METRIC = Metric("test_accuracy")
BASE = [0.90, 0.91, 0.93]
BETTER = [0.92, 0.94, 0.94]
WORSE = [0.89, 0.905, 0.90]
"""Results of three seeds."""

STANDARD: dict[str, Any] = {"method": "standard", "passes": 1}


def attack(**settings: Any) -> dict[str, Any]:
    """A DropAttack setting; with a p of 0, or with ``control``, it is the control that these make of it."""
    found = {"targets": "input", "epsilon": 1.0, "p": 0.5, "k": 1, "control": "none"} | settings
    control = "" if found["control"] == "none" else found["control"]
    control = "p-zero" if found["p"] == 0 else control or ("eps-zero" if found["epsilon"] == 0 else "")
    return {"method": "dropattack", "passes": 2 - (found["p"] == 0), CONTROL: control, **found}


def rows(
    configuration: str, results: Mapping[int, float] | Sequence[float], *names: dict[str, Any], **changes: Any
) -> pd.DataFrame:
    """One configuration with a result per seed, recorded once for every name."""
    by_seed = results if isinstance(results, Mapping) else dict(enumerate(results))
    found = [
        {
            "key": f"{configuration}-{seed}",
            CONFIGURATION: configuration,
            "workload": "digits-lenet5",
            "stage": "grid",
            "sweep": "named",
            "state": "complete",
            "seed": seed,
            "reused_from": "named/grid" if number else "",
            "value": value,
            "test_accuracy": value,
            "seconds": 10.0,
            "training.epochs": 3,
            **name,
            **changes,
        }
        for seed, value in by_seed.items()
        for number, name in enumerate(names)
    ]
    return pd.DataFrame(found)


def records(*frames: pd.DataFrame, **changes: Any) -> Records:
    """Records of all these rows."""
    frame = pd.concat(frames, ignore_index=True)
    stages = [{"name": name, "search": "grid"} for name in sorted(set(frame["stage"]))]
    return Records(frame, sweep={"name": "named", "stages": stages}, **changes)


def p_of(results: list[float], baseline: list[float] = BASE) -> float:
    """The paired t test of some results against the baseline's."""
    return float(stats.ttest_rel(results, baseline).pvalue)
