"""What a method trains on, besides the model: batches, the loss, names of targets, random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack.errors import UsageError
from dropattack.scaling import LossScale

Inputs = Tensor | tuple[Tensor, ...]
"""The inputs of a dataset's batch."""

Arguments = Tensor | tuple[Any, ...] | dict[str, Any]
"""What a model is called with: ``model(inputs)``, ``model(*inputs)`` or ``model(**inputs)``."""

Labels = Any
"""What outputs are compared with, of any structure; ``None`` where the model computes its loss."""

Batch = tuple[Any, Labels]
"""A batch as methods see it: `Arguments` of the model, and labels."""

Loss = Callable[..., Tensor]
Compute = Callable[[nn.Module, Arguments, Labels], tuple[Tensor, Any]]
"""``compute(model, inputs, labels)``; see `Task.compute`."""

LogProbabilities = Callable[[Any], Tensor]
"""``log_probabilities(outputs)``; see `Task.log_probabilities`."""

WordsOf = Callable[[Any], Tensor]
"""``words(inputs)``; see `Task.words`."""


@dataclass(frozen=True)
class Task:
    """What a method trains on, besides the model: the loss, the names of targets, the random numbers.

    Attributes:
        loss: ``loss(outputs, labels)`` returns a scalar, averaged over the batch; further parts of a batch
            follow the labels. The default is cross entropy or, for a batch without labels, the loss that the
            model computes, ``outputs.loss``.
        names: Readable target name to parameter name, such as ``{"conv1.w": "conv1.weight"}``. A target
            that is not listed is the parameter of that name. ``input`` is the batch itself (of a tuple its
            first floating-point tensor, of a mapping all of them) unless it is listed: as the embedding
            matrix of a text model, or as one of several inputs, ``{"input": "input.image"}``, by its name in
            the model's signature.
        generator: Source of all masks and noise, on the model's device; ``None`` takes torch's default. What
            the model itself draws in a pass, such as dropout's masks, follows from its initial seed, the step
            and the pass, so that methods which draw more or less train on the same dropout.
        autocast: Type for mixed precision forward passes, such as ``torch.bfloat16``; ``None`` takes that of
            an autocast context around the step, or none. ``torch.float16`` needs ``scaling``.
            Recurrent layers, which cuDNN would run in float16, compute in the type of their weights.
        clip_norm: Largest L2 norm of the whole gradient before the optimizer's update; ``None`` for any.
        words: ``words(inputs)`` returns which tokens are words and not padding, ``[batch, length]``, bool,
            for the inputs of the model. Padding is never attacked as a token. One answer holds for every
            lookup of a pass, so a model that looks up two texts needs ``None``. ``None`` reads the model's
            argument ``attention_mask`` if there is one, else the ``padding_idx`` of the embedding that
            ``input`` stands for. An embedding without one has no padding; one that gives a word the same id,
            as in models that pad with their end of text, takes that word for padding.
        scaling: Scales the loss of every pass, for float16; ``None`` leaves it. It belongs to one training,
            whose checkpoint holds its state.
        compute: What a pass computes, where that is not ``loss(model(inputs), labels)``: a function
            ``compute(model, inputs, labels)`` that calls the model and returns its loss and outputs.
        log_probabilities: ``log_probabilities(outputs)`` returns the distributions that outputs stand for, as
            logarithms ``[…, classes]``, for methods that compare distributions. ``None`` takes outputs for
            logits where labels are class numbers, and refuses others.

    Raises:
        UsageError: A value is of another type, or ``clip_norm`` is not positive.

    Examples:
        Inputs ``(tokens, lengths)`` of texts padded behind their end:

        >>> def by_length(inputs):
        ...     tokens, lengths = inputs
        ...     return torch.arange(tokens.shape[1]) < lengths[:, None]
        >>> by_length((torch.tensor([[5, 2, 2], [7, 8, 9]]), torch.tensor([1, 3]))).tolist()
        [[True, False, False], [True, True, True]]

        Inputs ``(tokens, attention_mask)``, whatever side they are padded on:

        >>> task = Task(names={"input": "embed.weight"}, words=lambda inputs: inputs[1].bool())
    """

    loss: Loss = F.cross_entropy
    names: Mapping[str, str] = field(default_factory=dict)
    generator: torch.Generator | None = None
    autocast: torch.dtype | None = None
    clip_norm: float | None = None
    words: WordsOf | None = None
    scaling: LossScale | None = None
    compute: Compute | None = None
    log_probabilities: LogProbabilities | None = None

    def __post_init__(self) -> None:
        for name in ("loss", "compute", "words", "log_probabilities"):
            given = getattr(self, name)
            if isinstance(given, type):
                own = given.__name__
                raise UsageError(f"Task({name}=…) takes a function, and {own} is a class; pass {own}()")
            if not callable(given) and (given is not None or name == "loss"):
                raise UsageError(f"Task({name}=…) takes a function, not {type(given).__name__}")
        for name, kind, right in (
            ("names", Mapping, "a mapping of target names to parameter names"),
            ("generator", torch.Generator | None, "a torch.Generator"),
            ("autocast", torch.dtype | None, "a type, such as torch.bfloat16"),
            ("scaling", LossScale | None, "dropattack.LossScale(); `accumulate` takes a GradScaler's scale"),
        ):
            if not isinstance(given := getattr(self, name), kind):
                raise UsageError(f"Task({name}=…) takes {right}, not {type(given).__name__}")
        clip = self.clip_norm
        if clip is not None and not (isinstance(clip, int | float) and clip > 0):
            raise UsageError(f"Task(clip_norm=…) takes a positive number, or None for any norm, not {clip!r}")
