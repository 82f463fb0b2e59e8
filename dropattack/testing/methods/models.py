"""The small models that a method is tried on, in float64 so that rounding hides nothing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import Batch


class Model(nn.Module, ABC):
    """A model that names its targets and makes its batches.

    Attributes:
        names: Target names to parameter names, for `Task.names`; every model has ``hidden`` and ``bias``.
        seen: Passes on what the model computes with: the images, or the vectors of the tokens.
        fc: The last layer.
    """

    names: ClassVar[Mapping[str, str]]
    fc: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Identity()

    @abstractmethod
    def batch(self, size: int = 5) -> Batch:
        """A batch of ``size`` examples where the model is, drawn from the CPU's default generator."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.fc.weight.device


class Images(Model):
    """A convolution and a linear layer; takes ``[batch, 1, 6, 6]``."""

    names: ClassVar = {"hidden": "conv.weight", "bias": "fc.bias"}

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(48, 4)

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.conv(self.seen(images))).flatten(1))
        return logits

    @override
    def batch(self, size: int = 5) -> Batch:
        images, labels = torch.rand(size, 1, 6, 6, dtype=torch.float64), torch.arange(size) % 4
        return images.to(self.device), labels.to(self.device)


class Normalised(Images):
    """The same with batch normalisation after the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.norm(self.conv(self.seen(images)))).flatten(1))
        return logits


class Layered(Images):
    """Two linear layers with layer normalisation between them."""

    names: ClassVar = {"hidden": "wide.weight", "bias": "fc.bias"}

    def __init__(self) -> None:
        Model.__init__(self)
        self.wide = nn.Linear(36, 8)
        self.norm = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 4)

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.norm(self.wide(self.seen(images).flatten(1)))))
        return logits


class Texts(Model):
    """Takes padded token ids ``[batch, longest]`` and lengths ``[batch]``; packs them for an LSTM."""

    names: ClassVar = {"input": "embed.weight", "hidden": "rnn.weight_ih_l0", "bias": "fc.bias"}

    def __init__(self, vocabulary: int = 40, padding: int = 0, sparse: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 6, padding_idx=padding, sparse=sparse)
        self.rnn: nn.RNNBase = nn.LSTM(6, 5, batch_first=True)
        self.fc = nn.Linear(5, 4)

    @override
    def forward(self, ids: Tensor, lengths: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        logits: Tensor = self.fc(self.summary(self.seen(self.embed(ids) + shift), lengths))
        return logits

    def summary(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """What is read of each text, ``[batch, width]``."""
        last: Tensor = self.rnn(_packed(vectors, lengths))[1][0][-1]
        return last

    @override
    def batch(self, size: int = 5) -> Batch:
        lengths = torch.tensor([7, 4, 6, 2, 7] * size)[:size]
        ids = torch.randint(1, self.embed.num_embeddings, (size, 7))
        ids = ids.masked_fill(torch.arange(7) >= lengths[:, None], 0)
        return (ids.to(self.device), lengths), (torch.arange(size) % 4).to(self.device)


class Recurrent(Texts):
    """The same with two layers of a GRU that reads in both directions."""

    def __init__(self, vocabulary: int = 40, padding: int = 0, sparse: bool = False) -> None:
        super().__init__(vocabulary, padding, sparse)
        self.rnn = nn.GRU(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(8, 4)

    @override
    def summary(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        last: Tensor = self.rnn(_packed(vectors, lengths))[1][-2:]
        return last.transpose(0, 1).flatten(1)


class Attention(Texts):
    """A transformer encoder layer with dropout over the tokens; the mean over the words of each text."""

    names: ClassVar = {**Texts.names, "hidden": "layer.linear1.weight"}

    def __init__(self) -> None:
        super().__init__()
        del self.rnn
        self.layer = nn.TransformerEncoderLayer(6, 2, dim_feedforward=8, dropout=0.2, batch_first=True)
        self.fc = nn.Linear(6, 4)

    @override
    def summary(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        padding = torch.arange(vectors.shape[1], device=vectors.device) >= lengths[:, None].to(vectors.device)
        read = self.layer(vectors, src_key_padding_mask=padding).masked_fill(padding[:, :, None], 0)
        mean: Tensor = read.sum(1) / (~padding).sum(1, keepdim=True)
        return mean


class Tied(Texts):
    """The same without packing, and the last layer's weight is the embedding matrix."""

    names: ClassVar = {**Texts.names, "bias": "narrow.bias"}

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(5, 6)
        self.fc = nn.Linear(6, self.embed.num_embeddings, bias=False)
        self.fc.weight = self.embed.weight

    @override
    def forward(self, ids: Tensor, lengths: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        vectors = self.seen(self.embed(ids) + shift)
        logits: Tensor = self.fc(self.narrow(self.rnn(vectors)[0][:, -1]))
        return logits


def _packed(vectors: Tensor, lengths: Tensor) -> nn.utils.rnn.PackedSequence:
    return nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)


M = TypeVar("M", bound=nn.Module)


def make(kind: type[M], seed: int = 0, **options: Any) -> M:
    """A model of that kind in float64 and training mode, initialised by ``seed``."""
    torch.manual_seed(seed)
    return kind(**options).double().train()


def standing(model: nn.Module) -> torch.optim.Optimizer:
    """An optimizer that leaves the parameters where they are, so that `.grad` can be looked at."""
    return torch.optim.SGD(model.parameters(), lr=0.0)


def parameters_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
