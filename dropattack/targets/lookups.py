"""The tokens that a pass looks up in an embedding: which are words, and which are padding."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dropattack.errors import UsageError
from dropattack.targets.arguments import arguments
from dropattack.task import WordsOf

MASK = "attention_mask"
"""The argument in which models of Hugging Face mark words, 1, and padding, 0."""


class Words:
    """Separates words from padding among the tokens that a model looks up.

    Args:
        model: Called with the inputs that ``tell`` reads.
        embedding: Its ``padding_idx`` decides where nothing else does.
        tell: See `Task.words`.
        of_input: Whether the embedding is the one of the model's input, so that an argument
            ``attention_mask`` decides where ``tell`` is ``None``.
    """

    def __init__(
        self, model: nn.Module, embedding: nn.Embedding, tell: WordsOf | None, of_input: bool = False
    ) -> None:
        self._model, self._embedding, self._tell = model, embedding, tell
        self._follows = of_input or tell is not None
        self._inputs: Any = None
        self._mask: Tensor | None = None
        self._handle: RemovableHandle | None = None

    def attach(self) -> None:
        """Begins to follow what the model is called with."""
        if self._follows:
            self._handle = self._model.register_forward_pre_hook(self._enter, with_kwargs=True)

    def detach(self) -> None:
        """Ceases to follow it."""
        self._inputs = self._mask = None
        if self._handle is not None:
            self._handle.remove()

    def among(self, tokens: Tensor) -> Tensor | None:
        """Which of these are words, shaped as they are; ``None`` where all are. See `told`."""
        if self._tell is None:
            if self._mask is not None and self._mask.shape == tokens.shape:
                return self._mask.to(tokens.device, torch.bool, non_blocking=True)
            padding = self._embedding.padding_idx
            return None if padding is None else tokens != padding
        return told(self._tell, self._inputs, tokens)

    def _enter(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        mask = None if self._tell is not None else arguments(self._model, args, kwargs).get(MASK)
        self._mask = mask if isinstance(mask, Tensor) else None
        if kwargs:
            self._inputs = (*args, kwargs) if args else kwargs
        else:
            self._inputs = args if len(args) > 1 else args[0]


def told(tell: WordsOf, inputs: Any, tokens: Tensor) -> Tensor:
    """Which tokens are words according to `Task.words`; on the device of the tokens.

    Raises:
        UsageError: It returns something else than a truth value for each token.
    """
    words = tell(inputs)
    if not isinstance(words, Tensor) or words.dtype != torch.bool or words.shape != tokens.shape:
        given = f"{words.dtype} {[*words.shape]}" if isinstance(words, Tensor) else type(words).__name__
        raise UsageError(
            f"Task.words must return torch.bool {[*tokens.shape]}, one value for each token that the "
            f"embedding looks up, not {given}"
        )
    return words.to(tokens.device, non_blocking=True)


def by_hand(name: str) -> UsageError:
    """The error for a target whose lookups cannot be followed."""
    return UsageError(
        f"target {name!r} needs an nn.Embedding that the model calls, as in `embedding(tokens)`: use neither "
        "F.embedding nor its matrix by hand, and let a layer share it by `layer.weight = embedding.weight`"
    )
