"""TextCNN (Kim, 2014): convolutions over word windows and the largest answer of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack import INPUT, UsageError, setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.models.embedding import embedding


@dataclass(frozen=True, kw_only=True)
class TextCNNArchitecture(Architecture):
    """Sizes of TextCNN; Kim's by default: windows of 3, 4 and 5 words with 100 feature maps each."""

    widths: str = setting("3,4,5", "Words in each kind of window, separated by commas.")
    channels: int = setting(100, "Feature maps of each kind of window.", low=1)
    embedding_size: int = setting(300, "Columns of the embedding; word vectors bring their own.", low=1)
    dropout: float = setting(0.0, "Dropout before the final layer.", low=0, high=1)

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            widths = [int(width) for width in self.widths.split(",")]
        except ValueError:
            widths = []
        if not widths or min(widths) < 1:
            raise UsageError(f"widths must be whole numbers of words such as 3,4,5, not {self.widths!r}")
        object.__setattr__(self, "widths", ",".join(map(str, widths)))

    @property
    def windows(self) -> list[int]:
        """Words in each kind of window."""
        return [int(width) for width in self.widths.split(",")]

    @override
    def build(self, data: Data) -> "TextCNN":
        return TextCNN(embedding(data, self.embedding_size), data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`; ``conv1`` is the first kind of window."""
        layers = {f"conv{i + 1}": f"convolutions.{i}" for i in range(len(self.windows))}
        return {INPUT: "embedding.weight"} | named(layers | {"fc": "fc"})


class TextCNN(nn.Module):
    """Embedding, parallel convolutions, maximum over time, and one linear layer.

    Args:
        embedding: Maps token ids to vectors.
        classes: Number of outputs.
        sizes: Windows and widths.
    """

    def __init__(self, embedding: nn.Embedding, classes: int, sizes: TextCNNArchitecture) -> None:
        super().__init__()
        self.embedding = embedding
        self.windows = sizes.windows
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding.embedding_dim, sizes.channels, window) for window in self.windows
        )
        self.fc = nn.Linear(len(self.windows) * sizes.channels, classes)
        self.dropout = nn.Dropout(sizes.dropout)

    @override
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Maps token ids ``[batch, longest]`` and CPU lengths ``[batch]`` to logits ``[batch, classes]``.

        Padding counts as zeros, and only up to the length that the widest window needs. So a text's logits do
        not depend on the other texts of its batch.
        """
        ends = lengths.to(tokens.device, non_blocking=True)[:, None]
        inside = torch.arange(tokens.shape[1], device=tokens.device) < ends
        embedded = self.embedding(tokens) * inside[..., None]
        embedded = F.pad(embedded.transpose(1, 2), (0, max(self.windows) - 1))
        pooled = []
        for window, convolution in zip(self.windows, self.convolutions, strict=True):
            features = F.relu(convolution(embedded))
            starts = torch.arange(features.shape[2], device=tokens.device)
            whole = starts <= (ends - window).clamp(min=0)
            pooled.append((features * whole[:, None]).amax(dim=2))
        logits: Tensor = self.fc(self.dropout(torch.cat(pooled, dim=1)))
        return logits
