"""The cases of the contract of stores: stores that the author makes, and small sweeps to keep in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.records.journal import Journal, exclusive
from search.records.record import Record
from search.records.store import Store
from trainables.recipe.measured import Metrics
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial


class StoreCases:
    """The store under test. An author defines `make`, and `writing` and `tear` where the store differs."""

    def make(self, folder: Path) -> Store:
        """A store that belongs to ``folder``: made again for the same folder, it holds the same.

        Args:
            folder: An empty folder at first. A store elsewhere takes its name as a prefix.
        """
        raise NotImplementedError(f"{type(self).__name__} must define make(folder)")

    @contextmanager
    def writing(self, store: Store, sweep: Sweep) -> Iterator[Journal]:
        """Opens a sweep's journal for its one writer.

        Raises:
            UsageError: Another writer has it.
        """
        with exclusive(store.folder(sweep.name)):
            yield store.journal(sweep, writable=True)

    def tear(self, store: Store, sweep: Sweep, cut: int) -> None:
        """Leaves the journal as if its writer had been killed during the last append.

        Args:
            store: Where the journal is.
            sweep: Whose journal it is.
            cut: How many bytes of the append are missing, at least 1.
        """
        pytest.skip("this store has no `tear`: none of its appends can be half there")


def small_sweep(name: str = "small", **changes: Any) -> Sweep:
    """A sweep that needs no data to be read."""
    stages = [{"name": "grid", "methods": {"standard": {}}}, {"name": "more", "methods": {"sam": {}}}]
    raw = {"name": name, "workloads": ["digits-lenet5", "mnist-lenet5"], "stages": stages}
    return parse_sweep(raw | changes)


def some_trial(seed: int = 0, workload: str = "digits-lenet5") -> Trial:
    """A trial of five epochs."""
    return Trial.make(workload, "standard", {}, TrainingSettings(epochs=5), seed, "checksum")


def some_metrics(epoch: int, **changes: float) -> Metrics:
    """Metrics of one epoch that depend on nothing but the epoch."""
    values = {"epoch": epoch, "train_loss": 1 / epoch, "valid_accuracy": 1 - 1 / (1 + epoch)}
    return values | {"seconds": 0.1 * epoch} | changes


def content(record: Record) -> str:
    """All that is known of a record; equal texts for equal values, those that are not numbers too."""
    epochs = [sorted(metrics.items()) for metrics in record.epochs]
    known = {**vars(record), "trial": record.trial.to_dict(), "epochs": epochs}
    known |= {name: sorted(known[name].items()) for name in ("params", "distributions")}
    return repr(sorted(known.items()))


def contents(journal: Journal) -> list[str]:
    """`content` of every record, in the journal's order."""
    return [content(record) for record in journal.records]
