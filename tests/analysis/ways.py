"""Ways to train with planted results, for verdicts: plain training, an attack and its controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.questions.verdict import Verdict, verdicts
from analysis.records import Records

WAYS: Mapping[str, dict[str, Any]] = {
    "baseline": {"method": "standard", "passes": 1.0, "rounds": 1.0},
    "attack": {"method": "dropattack", "passes": 2.0, "targets": "input", "epsilon": 1.0, "p": 0.5, "k": 1.0},
    "equal-passes": {"method": "standard", "passes": 2.0, "rounds": 2.0},
    "p-one": {
        **{"method": "dropattack", "passes": 2.0, "targets": "input", "epsilon": 1.0, "p": 0.5, "k": 1.0},
        "control": "p-one",
    },
}


def way(name: str, results: Mapping[int, float] | Sequence[float], **changes: Any) -> pd.DataFrame:
    """One of `WAYS` with its result for each seed."""
    by_seed = results if isinstance(results, Mapping) else dict(enumerate(results))
    row = {"workload": "w", "stage": "grid", "state": "complete", **WAYS[name], **changes}
    found = [{**row, "seed": s, "value": v, "test_accuracy": v} for s, v in by_seed.items()]
    named = ("workload", "stage", "method", "rounds", "targets", "epsilon", "control")
    told = "/".join(str(row.get(column)) for column in named)
    return pd.DataFrame(found).assign(key=lambda frame: f"{told}/" + frame["seed"].astype(str))


def records(*frames: pd.DataFrame, **changes: Any) -> Records:
    """Records of all these rows."""
    frame = pd.concat(frames, ignore_index=True)
    searches = {"confirm": {"kind": "confirm", "seeds": [100]}}
    stages = [{"name": name, "search": searches.get(name, "grid")} for name in sorted(set(frame["stage"]))]
    return Records(frame, sweep={"name": "s", "seeds": [0, 1], "stages": stages}, **changes)


def verdict(*frames: pd.DataFrame, **changes: Any) -> Verdict:
    """The verdict of records of one workload."""
    (found,) = verdicts(records(*frames, **changes))
    return found


def around(mean: float, spread: float = 0.003, n: int = 6) -> list[float]:
    """Results of given mean: normal quantiles, so that seeds differ and nothing is drawn."""
    z = stats.norm.ppf((np.arange(n) + 0.5) / n)
    order = np.argsort(np.sin(np.arange(n) * (3 + 1e3 * mean)))
    return list(mean + spread * z[order])


def lost(gain: float, n: int = 3, spread: float = 0.003) -> list[pd.DataFrame]:
    """Validation's clear winner, which gains this much on fresh seeds."""
    fresh = [100 + i for i in range(n)]
    return [
        way("baseline", around(0.90, n=2)),
        way("attack", around(0.96, n=2)),
        way("baseline", dict(zip(fresh, around(0.90, spread, n), strict=True)), stage="confirm"),
        way("attack", dict(zip(fresh, around(0.90 + gain, spread, n), strict=True)), stage="confirm"),
    ]
