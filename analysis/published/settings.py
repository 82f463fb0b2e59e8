"""The DropAttack paper's best settings: where a search of one of its workloads can begin."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.published.tables import load

METHOD = "dropattack"
_SETTINGS = ("targets", "epsilon", "p", "k")


def best_settings(workload: str, top: int = 1) -> Sequence[Mapping[str, Any]]:
    """The settings with the best test accuracy in the paper's tables 3 to 10, on the whole training split.

    The accuracies are printed numbers of a test split, so that the order is the paper's and not a finding. Of
    a setting in several tables, the best number counts; of equal numbers, the first.

    Args:
        workload: Name of a workload.
        top: How many settings, ≥ 1.

    Returns:
        ``targets``, ``epsilon``, ``p`` and ``k`` of each; nothing for a workload that is not the paper's.

    Examples:
        >>> best_settings("mnist-lenet5")
        [{'targets': 'input+conv1.w', 'epsilon': 5.0, 'p': 0.5, 'k': 1}]
    """
    rows = load("dropattack")
    own = rows["workload"].eq(workload) & rows["method"].eq(METHOD) & rows["metric"].eq("test_accuracy")
    rows = rows[own].dropna(subset=list(_SETTINGS))
    whole = rows["train_size"].isna() | rows["train_size"].eq(rows["train_size"].max())
    rows = rows[whole].sort_values("value", ascending=False, kind="stable").drop_duplicates(list(_SETTINGS))
    return [
        {"targets": str(targets), "epsilon": float(epsilon), "p": float(p), "k": int(k)}
        for targets, epsilon, p, k in rows[list(_SETTINGS)].head(top).itertuples(index=False)
    ]


def workloads() -> Sequence[str]:
    """Names of the workloads that the paper has settings for, in alphabetical order."""
    names = load("dropattack")["workload"].dropna().unique()
    return sorted(str(name) for name in names if best_settings(str(name)))
