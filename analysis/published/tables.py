"""Published numbers: one CSV per paper, each row with the table and row where it stands.

A column that is empty is not stated there. Names of workloads, methods and targets are this project's:
``input`` stands for a text model's embedding too. ``runs`` is over how many seeds a number is said to be a
mean. Three things cannot be read in the APB paper's figures and are left out: Figure 2C's value for its own
method on FashionMNIST, Figure 3b's values, and MNIST's and FashionMNIST's values for fewer epochs.
``pixel_epsilon`` is what Dropen's ε on normalised MNIST images is in pixels: times their deviation, 0.3081.
"""

from functools import cache
from importlib import resources

import pandas as pd

from analysis.records import BASELINE, Records
from dropattack import INPUT, parse_targets
from dropattack.errors import unknown

PAPERS = {
    "dropattack": "DropAttack: A Masked Weight Adversarial Training Method",
    "apb": "Adversarial Training: embedding adversarial perturbations into the parameter space",
    "dropen": "Dropen: A new approach to training robust networks",
}
_TEXT = ("table", "row", "workload", "method", "targets", "metric")


@cache
def _read(name: str) -> pd.DataFrame:
    path = resources.files("analysis.published") / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=dict.fromkeys(_TEXT, str))


@cache
def _read_texts(name: str) -> pd.DataFrame:
    path = resources.files("analysis.published") / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def load(paper: str, table: str | None = None) -> pd.DataFrame:
    """The numbers of a paper, in the unit in which they are printed (accuracies in per cent).

    Args:
        paper: One of `PAPERS`.
        table: Only those of one table or figure, such as ``"10"``.

    Raises:
        UsageError: There is no such paper or table.

    Examples:
        >>> load("dropattack", "10")["value"].max()
        np.float64(90.36)
    """
    if paper not in PAPERS:
        raise unknown("paper", paper, PAPERS)
    numbers = _read(paper)
    if table is None:
        return numbers.copy()
    if table not in set(numbers["table"]):
        raise unknown(f"table of {paper}", table, dict.fromkeys(numbers["table"]))
    return numbers[numbers["table"] == table].reset_index(drop=True)


def contradictions() -> pd.DataFrame:
    """Where the papers disagree with themselves: ``paper, about, place_a, value_a, place_b, value_b``.

    Values are texts, with the digits that are printed.
    """
    return _read_texts("contradictions").copy()


def unprinted() -> pd.DataFrame:
    """Figures without values that can be read: ``paper, figure, workload, method, about``."""
    return _read_texts("unprinted").copy()


def conditions(paper: str) -> pd.DataFrame:
    """Under which settings a paper's numbers came about.

    Returns:
        ``workload`` and ``method``, ``*`` for all; ``setting``, a column of records, ``train_examples`` for
        how many were trained on, or ``test_split``, which is ``drawn`` where the paper drew its own;
        ``value``, "" where the paper states none; ``about``, the setting in words; ``source``, where it
        stands; and ``effect`` of another value: no verdict (``withheld``), or a remark (``noted``).
    """
    numbers = _read_texts("conditions")
    return numbers[numbers["paper"] == paper].reset_index(drop=True)


def as_records(numbers: pd.DataFrame) -> Records:
    """Published test accuracies as records of one seed, so that every analysis can be made of them.

    Args:
        numbers: Rows of `load`; those of other metrics are left out.
    """
    rows = numbers[numbers["metric"] == "test_accuracy"].reset_index(drop=True)
    trials = pd.DataFrame({"key": [f"{i:04d}" for i in rows.index], "seed": 0, "state": "complete"})
    trials = pd.concat([trials, rows[["workload", "method", "targets", "epsilon", "p", "k"]]], axis=1)
    trials["sweep"] = trials["stage"] = "published"
    trials["value"] = rows["value"] / 100
    trials["test_accuracy"] = trials["value"]
    trials["passes"] = [_passes(*row) for row in rows[["method", "targets", "k"]].itertuples(index=False)]
    if rows["train_size"].notna().any():
        trials["training.train_size"] = rows["train_size"]
    return Records(trials, sweep={"name": "published"}, select="test_accuracy")


def _passes(method: str, targets: str, k: float) -> float:
    if method == BASELINE or targets != targets:
        return 1.0
    names = parse_targets(targets)
    return 1 + k * ((INPUT in names) + any(name != INPUT for name in names))
