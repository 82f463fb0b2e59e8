"""Forward passes of all lanes at once, for models with an operator that has no batching rule.

This module lists the models that ship; a user's own model defines a method ``forward_stacked``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trainables.lanes.recurrent import linear, look_up, read_stacked
from trainables.models.recurrent import Recurrent
from trainables.models.textrcnn import TextRCNN

StackedForward = Callable[..., Tensor]
"""``forward(parameters, *inputs)``; see `ForwardStacked`."""


@runtime_checkable
class ForwardStacked(Protocol):
    """A module that computes all lanes itself, because one of its operators has no batching rule."""

    def forward_stacked(self, parameters: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        """Logits ``[lanes, batch, classes]``.

        Args:
            parameters: Each ``[lanes, …]``; the embedding may hold the looked-up rows alone.
            inputs: As `forward`'s, each with a leading dimension of lanes.
        """


def stacked_forward(model: nn.Module) -> StackedForward | None:
    """A model's own forward pass of all lanes; ``None`` where `torch.func.vmap` computes it."""
    if isinstance(model, ForwardStacked):
        return model.forward_stacked
    rule = _RULES.get(type(model))
    return None if rule is None else lambda parameters, *inputs: rule(model, parameters, *inputs)


def _recurrent(model: Recurrent, parameters: Mapping[str, Tensor], tokens: Tensor, lengths: Tensor) -> Tensor:
    embedded = look_up(parameters["embedding.weight"], tokens)
    _, final = read_stacked(model.rnn, parameters, "rnn", embedded, lengths)
    return linear(parameters, "fc", final)


def _textrcnn(model: TextRCNN, parameters: Mapping[str, Tensor], tokens: Tensor, lengths: Tensor) -> Tensor:
    embedded = look_up(parameters["embedding.weight"], tokens)
    context, _ = read_stacked(model.rnn, parameters, "rnn", embedded, lengths)
    words = torch.cat([context, embedded], dim=3).flatten(1, 2)
    features = torch.tanh(linear(parameters, "fc1", words)).unflatten(1, tokens.shape[1:])
    ends = lengths.to(tokens.device, non_blocking=True)[..., None]
    inside = torch.arange(tokens.shape[2], device=tokens.device) < ends
    pooled = features.masked_fill(~inside[..., None], -1).amax(dim=2)
    return linear(parameters, "fc2", pooled)


_RULES: Mapping[type[nn.Module], Callable[..., Any]] = {Recurrent: _recurrent, TextRCNN: _textrcnn}
