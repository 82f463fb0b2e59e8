"""TextRCNN (Lai et al., 2015): each word with its left and right context, and the maximum over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.models.embedding import embedding
from trainables.models.reading import ReadingLSTM
from trainables.models.recurrent import RecurrentArchitecture


@dataclass(frozen=True, kw_only=True)
class TextRCNNArchitecture(Architecture):
    """Sizes of TextRCNN; the context's width is the LSTM's of the DropAttack paper by default."""

    hidden: int = setting(300, "Width of the context, per direction.", low=1)
    features: int = setting(100, "Features of each word in its context.", low=1)
    embedding_size: int = setting(300, "Columns of the embedding; word vectors bring their own.", low=1)
    dropout: float = setting(0.0, "Dropout before the recurrent and the final layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "TextRCNN":
        return TextRCNN(embedding(data, self.embedding_size), data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`; ``fc1`` makes the features, ``fc2`` the logits."""
        context = dict(RecurrentArchitecture(bidirectional=True).targets)
        return {name: parameter for name, parameter in context.items() if not name.startswith("fc")} | named(
            {"fc1": "fc1", "fc2": "fc2"}
        )


class TextRCNN(nn.Module):
    """Embedding, bidirectional LSTM beside it, tanh features, maximum over time, and one linear layer.

    Args:
        embedding: Maps token ids to vectors.
        classes: Number of outputs.
        sizes: Widths.
    """

    def __init__(self, embedding: nn.Embedding, classes: int, sizes: TextRCNNArchitecture) -> None:
        super().__init__()
        self.embedding = embedding
        size = embedding.embedding_dim
        self.rnn = ReadingLSTM(size, sizes.hidden, bidirectional=True, batch_first=True)
        self.fc1 = nn.Linear(2 * sizes.hidden + size, sizes.features)
        self.fc2 = nn.Linear(sizes.features, classes)
        self.dropout = nn.Dropout(sizes.dropout)

    @override
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Maps token ids ``[batch, longest]`` and CPU lengths ``[batch]`` to logits ``[batch, classes]``.

        Padding has no effect on the context or the maximum.
        """
        embedded = self.dropout(self.embedding(tokens))
        context, _ = self.rnn(embedded, lengths)
        features = torch.tanh(self.fc1(torch.cat([context, embedded], dim=2)))
        ends = lengths.to(tokens.device, non_blocking=True)[:, None]
        inside = torch.arange(tokens.shape[1], device=tokens.device) < ends
        pooled = features.masked_fill(~inside[..., None], -1).amax(dim=1)
        logits: Tensor = self.fc2(self.dropout(pooled))
        return logits
