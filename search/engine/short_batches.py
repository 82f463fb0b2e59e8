"""Finds attacks with a norm over the whole batch, which attack a short last batch of an epoch harder."""

from collections.abc import Iterator
from pathlib import Path

from search.definition.options import default_options, option_spaces, splits_of
from search.definition.space import Space, bounds, combinations
from search.definition.sweep import Stage, Sweep
from search.engine.corners import dropattacks
from trainables.recipe.batches import KEEP
from trainables.recipe.splitting import train_sizes
from trainables.workloads import workload_named


def remarks_on_short_batches(sweep: Sweep, root: Path) -> list[str]:
    """Lines on how much harder the examples of a short last batch are attacked, and on what to set.

    There is one for each workload and size if a stage attacks pixels or token vectors under one norm over the
    batch, and keeps a last batch shorter than half of the others. Of b examples instead of B each gets √(B/b)
    times its share of the norm; where the norm is over weights too, up to B/b times. Sizes of training splits
    need the data, which are loaded for such sweeps only.

    Example: ``digits-lenet5: the last batch of 45 examples is attacked 1.7 times as hard per example as one
    of 128; set training.last_batch to drop or merge, or norm to sample, where ε is that of one example``.

    Args:
        sweep: A sweep that could be run.
        root: The data root.
    """
    remarks: dict[str, None] = {}
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            scopes = set(_scopes(sweep, stage, workload))
            for size, rest in _short(sweep, stage, workload, root) if scopes else ():
                for with_weights in sorted(scopes):
                    remarks[f"{workload}: {_remark(size, rest, with_weights)}"] = None
    return list(remarks)


def _remark(size: int, rest: int, with_weights: bool) -> str:
    factor = f"up to {size / rest:.2g}" if with_weights else f"{(size / rest) ** 0.5:.2g}"
    examples = "1 example" if rest == 1 else f"{rest} examples"
    return (
        f"the last batch of {examples} is attacked {factor} times as hard per example as one of {size}; "
        "set training.last_batch to drop or merge, or norm to sample, where ε is that of one example"
    )


def _scopes(sweep: Sweep, stage: Stage, workload: str) -> Iterator[bool]:
    """For each attack of a stage with one norm over the batch, whether that norm covers weights too."""
    for settings, words in dropattacks(sweep, stage, workload):
        if settings.spread_over_batch(words):
            yield settings.norm == "joint" and settings.grouping == "joint" and "+" in settings.targets


def _short(sweep: Sweep, stage: Stage, workload: str, root: Path) -> Iterator[tuple[int, int]]:
    """Batch sizes, each with the size of its last batch if that is kept and shorter than half."""
    spaces, defaults = option_spaces(sweep, stage, workload), default_options(workload)["training"]
    training: Space = spaces["training"]

    def tried(name: str) -> list[int]:
        return sorted({int(value) for value in bounds(training.get(name, defaults[name]))})

    if KEEP not in bounds(training.get("last_batch", defaults["last_batch"])):
        return
    sizes = set(tried("train_size")) - {0}
    if 0 in tried("train_size"):
        splits = splits_of(sweep, stage, workload)
        for options in combinations(spaces["data"]):
            sizes |= train_sizes(splits, workload_named(workload).load(root, options))
    for examples in sorted(sizes):
        for size in tried("batch_size"):
            rest = examples % size
            if examples > size and 0 < rest < size / 2:
                yield size, rest
