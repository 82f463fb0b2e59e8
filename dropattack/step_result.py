"""The result of one step, on one batch or on several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map


@dataclass(frozen=True)
class StepResult:
    """The result of one step. All tensors stay on the device; the caller chooses when to read them.

    Attributes:
        loss: Loss of the first pass, before the update, 0-dimensional. It is the clean loss, except for
            methods without a clean pass: dropout, FreeAT, FreeLB, RWP, and PGD from a random start without
            the clean batch.
        outputs: Outputs of the same pass, ``[batch, …]``, detached.
        log: Further 0-dimensional tensors by name, to be averaged over steps: ``skipped``, the share of
            perturbations left out because their gradient was zero or not finite; ``skipped_updates``, 1 where
            the update was skipped because the optimizer's gradient was not finite.
    """

    loss: Tensor
    outputs: Any
    log: Mapping[str, Tensor] = field(default_factory=dict)


def joined(results: Sequence[StepResult], sizes: Sequence[int]) -> StepResult:
    """Joins the results of a step's batches, weighted by their numbers of examples."""

    def mean(values: Sequence[Tensor]) -> Tensor:
        weighted = [value * (size / sum(sizes)) for value, size in zip(values, sizes, strict=True)]
        return torch.stack(weighted).sum(0)

    log = {name: mean([result.log[name] for result in results]) for name in results[0].log}
    outputs = tree_map(_together, *[result.outputs for result in results])
    return StepResult(mean([result.loss for result in results]), outputs, log)


def _together(*parts: Any) -> Any:
    """The examples of all batches in one tensor; a tuple of what differs in shape or is no tensor."""
    if not all(isinstance(part, Tensor) for part in parts):
        return parts
    if not parts[0].dim():
        return torch.stack(parts)
    return torch.cat(parts) if len({part.shape[1:] for part in parts}) == 1 else parts
