"""Records with planted effects, made without training anything."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.records import Records

Effect = Callable[[str, float, float, int], float]


def no_effect(targets: str, epsilon: float, p: float, k: int) -> float:
    return 0.0


def hill(targets: str, epsilon: float, p: float, k: int) -> float:
    """Best at epsilon 5 and p 0.6, for targets with the input in them."""
    if p == 0:
        return 0.0
    peak = 0.02 * np.exp(-((np.log(epsilon / 5)) ** 2) / 2) * (1 - abs(p - 0.6))
    return float(peak if "input" in targets else peak / 4)


def trials(
    *,
    workloads: Sequence[str] = ("digits-lenet5",),
    targets: Sequence[str] = ("input", "conv1.w", "input+conv1.w"),
    epsilons: Sequence[float] = (0.01, 0.1, 1, 5, 9),
    ps: Sequence[float] = (0.0, 0.3, 0.5, 0.7, 1.0),
    ks: Sequence[int] = (1,),
    seeds: Iterable[int] = range(5),
    effect: Effect = hill,
    noise: float = 0.003,
    stage: str = "grid",
    training: Mapping[str, Any] | None = None,
    rng_seed: int = 0,
) -> pd.DataFrame:
    """A full grid of dropattack trials with their baselines; a seed shifts both alike."""
    rng = np.random.default_rng(rng_seed)
    training = {"training.epochs": 5, "training.train_size": 0, **(training or {})}
    rows = []
    for workload in workloads:
        for seed in seeds:
            luck = rng.normal(0.9, 0.01)
            settings: list[dict[str, Any]] = [{"method": "standard", "passes": 1}]
            for target, epsilon, p, k in itertools.product(targets, epsilons, ps, ks):
                settings.append(
                    {
                        "method": "dropattack",
                        "targets": target,
                        "epsilon": epsilon,
                        "p": p,
                        "k": k,
                        "passes": 1 + k * (1 + ("+" in target and "input" in target)),
                    }
                )
            for setting in settings:
                gain = (
                    effect(*(setting[n] for n in ("targets", "epsilon", "p", "k"))) if len(setting) > 2 else 0
                )
                valid, test = luck + gain + rng.normal(0, noise, 2)
                row = {
                    "workload": workload,
                    "seed": seed,
                    "stage": stage,
                    "state": "complete",
                    **training,
                    **setting,
                }
                row |= {
                    "sweep": "synthetic",
                    "value": valid,
                    "best_epoch": 4,
                    "epochs": training["training.epochs"],
                }
                row |= {
                    "test_accuracy": test,
                    "test_loss": 1 - test,
                    "train_accuracy": 0.99,
                    "train_loss": 0.05,
                }
                rows.append(row | {"seconds": 2.0 * row["passes"]})
    frame = pd.DataFrame(rows)
    frame["key"] = [f"{stage}-{i:05d}" for i in range(len(frame))]
    frame["run_id"] = [f"run{i:05d}" for i in range(len(frame))]
    return frame


def epochs(frame: pd.DataFrame, rng_seed: int = 0) -> pd.DataFrame:
    """Learning curves that rise to each trial's value."""
    rng = np.random.default_rng(rng_seed)
    done = frame[frame["state"] == "complete"]
    counts = done["epochs"].fillna(0).astype(int)
    long = done.loc[done.index.repeat(counts), ["key", "value", "epochs"]].reset_index(drop=True)
    long["epoch"] = long.groupby("key").cumcount() + 1
    share = 1 - np.exp(-2.0 * long["epoch"] / long["epochs"])
    jitter = rng.normal(0, 0.004, (2, len(long)))
    return pd.DataFrame(
        {
            "key": long["key"],
            "epoch": long["epoch"],
            "valid_accuracy": long["value"] * share + jitter[0],
            "train_accuracy": np.minimum(long["value"] * share + 0.08 + jitter[1], 1.0),
            "valid_loss": 1 - share * 0.8,
            "train_loss": 1 - share * 0.9,
            "seconds": 0.5,
        }
    )


def stage(name: str) -> dict[str, Any]:
    return {"name": name, "search": {"kind": "confirm" if name == "confirm" else "grid"}}


def records(frame: pd.DataFrame | None = None, **changes: Any) -> Records:
    """Records of `trials`, or of the given ones."""
    frame = trials() if frame is None else frame
    sweep = (
        {"name": "synthetic", "stages": [stage(s) for s in sorted(set(frame["stage"]))]} if len(frame) else {}
    )
    values: dict[str, Any] = {"trials": frame, "sweep": sweep}
    if len(frame):
        values["epochs"] = epochs(frame)
    return Records(
        **values | {"versions": {"torch": "2.13.0"}, "run_url": "http://127.0.0.1:5000/#/{run_id}"} | changes
    )
