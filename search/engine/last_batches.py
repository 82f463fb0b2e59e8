"""Finds last batches of one example, on which models with BatchNorm cannot train, before anything starts."""

from collections.abc import Iterator
from pathlib import Path

import torch

from dropattack import UsageError
from search.definition.options import default_options, option_spaces, place_of_settings, splits_of
from search.definition.space import Space, combinations
from search.definition.sweep import Stage, Sweep
from trainables.recipe.batches import check_last_batch
from trainables.recipe.splitting import train_sizes
from trainables.workloads import workload_named

_DECIDING = ("train_size", "batch_size", "last_batch")


def check_last_batches(sweep: Sweep, root: Path) -> None:
    """Checks that no trial would end its epochs with a batch on which its model cannot train.

    It checks both ends of a range; a trial between them that leaves one example fails with one line.

    Args:
        sweep: A sweep whose data are there.
        root: The data root.

    Raises:
        UsageError: A trial would; the message says what to set.
    """
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            try:
                _check(sweep, stage, workload, root)
            except UsageError as error:
                raise UsageError(f"{place_of_settings(stage, workload)}: {error}") from None


def _check(sweep: Sweep, stage: Stage, workload: str, root: Path) -> None:
    spaces, found = option_spaces(sweep, stage, workload), workload_named(workload)
    for options in combinations(spaces["data"]):
        data = found.load(root, options)
        sizes = train_sizes(splits_of(sweep, stage, workload), data)
        for examples, size, last_batch in _leaving_one(spaces["training"], workload, sizes):
            some = data.train.subset(torch.arange(examples) % len(data.train))  # which may have fewer
            for model in combinations(spaces["model"]):
                check_last_batch(found.model_settings(model, options).build(data), some, size, last_batch)


def _leaving_one(training: Space, workload: str, there: set[int]) -> Iterator[tuple[int, int, str]]:
    """Examples, batch size and ``last_batch`` of each recipe with a batch of one example."""
    defaults = default_options(workload)["training"]
    for recipe in combinations({name: training.get(name, defaults[name]) for name in _DECIDING}):
        size = int(recipe["batch_size"])
        for examples in {int(recipe["train_size"])} - {0} or sorted(there):
            if size == 1 or examples % size == 1:
                yield examples, size, str(recipe["last_batch"])
