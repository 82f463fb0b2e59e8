"""The batches of an epoch, and the treatment of a short last one."""

import copy
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from dropattack import Batch, UsageError
from dropattack.batches import called
from dropattack.methods.standard import nearest
from trainables.data.splits import Split

KEEP, DROP, MERGE = "keep", "drop", "merge"
LAST_BATCHES = (KEEP, DROP, MERGE)


def epoch_batches(split: Split, size: int, last_batch: str, generator: torch.Generator) -> Iterator[Batch]:
    """Yields every batch of an epoch, shuffled.

    Args:
        split: The examples.
        size: Number of examples in a batch.
        last_batch: Keeps a shorter batch; drops it, so that its examples wait for another epoch; or merges it
            with the batch before it, and a short first batch with the next. A single batch is kept.
        generator: Decides the order.
    """
    if last_batch == KEEP:
        yield from split.batches(size, generator)
    else:
        for indices in _fitted(split.order(size, generator), size, last_batch):
            yield split.take(indices)


def repeated_batches(
    split: Split, size: int, last_batch: str, generator: torch.Generator, rounds: float, taken: int = 0
) -> Iterator[Batch]:
    """Yields the batches of an epoch several times, shuffled anew each time; the last time may be partial.

    Args:
        split: See `epoch_batches`.
        size: See `epoch_batches`.
        last_batch: See `epoch_batches`.
        generator: See `epoch_batches`.
        rounds: How many times, > 0.
        taken: Number of batches to skip, which a resumed epoch has had already. The generator must be in its
            state of the epoch's beginning; it draws the same again.
    """
    whole = int(rounds)
    count = batch_count(len(split), size, last_batch)
    some = nearest(rounds * count) - whole * count
    for turn in range(whole + (some > 0)):
        here = count if turn < whole else some
        if taken:
            order = _fitted(split.order(size, generator), size, last_batch)
            yield from map(split.take, order[taken:here])
            taken -= min(taken, here)
        else:
            batches = epoch_batches(split, size, last_batch, generator)
            yield from batches if turn < whole else islice(batches, some)


def batch_count(examples: int, size: int, last_batch: str) -> int:
    """Number of batches that `epoch_batches` yields for so many examples."""
    whole, short = divmod(examples, size)
    return whole + (short > 0 and (last_batch == KEEP or not whole))


def _fitted(order: Sequence[Tensor], size: int, last_batch: str) -> list[Tensor]:
    fitted = list(order)
    if last_batch == KEEP:
        return fitted
    short = next((place for place, indices in enumerate(fitted) if len(indices) < size), None)
    if short is None or len(fitted) == 1:
        return fitted
    rest = fitted.pop(short)
    if last_batch == MERGE:
        place = max(short - 1, 0)
        fitted[place] = torch.cat([fitted[place], rest])
    return fitted


def check_last_batch(model: nn.Module, split: Split, size: int, last_batch: str) -> None:
    """Refuses batches of one example, such as a last one, if the model cannot train on them.

    BatchNorm has no variance to divide by if a channel has one value.

    Raises:
        UsageError: The epoch would end in an error.
    """
    left = len(split) % size == 1 and (last_batch == KEEP or len(split) < size)
    if not left and size > 1:
        return
    inputs, labels = split.take(torch.zeros(1, dtype=torch.int64))
    trial = copy.deepcopy(model).train()
    with torch.no_grad(), torch.random.fork_rng([labels.device] if labels.is_cuda else []):
        try:
            _ = called(trial, inputs)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            if size == 1:
                raise UsageError("BatchNorm cannot train on one example; set a larger batch_size") from None
            raise UsageError(
                f"{len(split):,} examples in batches of {size} leave one, and BatchNorm cannot train on one; "
                "set training.last_batch to drop or merge, or another batch_size"
            ) from None
