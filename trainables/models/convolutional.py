"""Dropen's two models: LeNet 20-50 with FC 500 for MNIST, and 64-128 with FC 120-84 for CIFAR-10.

Both are two convolutions and fully connected layers with dropout before the last. Dropout's sub-networks are
the ensemble that Dropen regularises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.models.strides import channel_last

_KERNEL = 5


@dataclass(frozen=True, kw_only=True)
class LeNetArchitecture(Architecture):
    """Sizes of Dropen's LeNet; the report's by default."""

    channels1: int = setting(20, "Channels of the first convolution.", low=1)
    channels2: int = setting(50, "Channels of the second convolution.", low=1)
    hidden: int = setting(500, "Width of the hidden fully connected layer.", low=1)
    dropout: float = setting(0.5, "Dropout before the last layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "TwoConvolutions":
        """See `Architecture.build`; images are ``[batch, 1, 28, 28]``."""
        widths = (self.hidden, data.classes)
        return TwoConvolutions((1, 28), (self.channels1, self.channels2), widths, self.dropout)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        return named({"conv1": "conv1", "conv2": "conv2", "fc1": "fc.0", "fc2": "fc.1"})


@dataclass(frozen=True, kw_only=True)
class ConvolutionalArchitecture(Architecture):
    """Sizes of Dropen's model for CIFAR-10; the report's by default."""

    channels1: int = setting(64, "Channels of the first convolution.", low=1)
    channels2: int = setting(128, "Channels of the second convolution.", low=1)
    hidden1: int = setting(120, "Width of the first fully connected layer.", low=1)
    hidden2: int = setting(84, "Width of the second fully connected layer.", low=1)
    dropout: float = setting(0.5, "Dropout before the last layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "TwoConvolutions":
        """See `Architecture.build`; images are ``[batch, 3, 32, 32]``."""
        widths = (self.hidden1, self.hidden2, data.classes)
        return TwoConvolutions((3, 32), (self.channels1, self.channels2), widths, self.dropout)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        return named({"conv1": "conv1", "conv2": "conv2", "fc1": "fc.0", "fc2": "fc.1", "fc3": "fc.2"})


class TwoConvolutions(nn.Module):
    """Two convolutions with ReLU and max pooling, then fully connected layers with ReLU between them.

    Kernels are 5×5 without padding, so 28 pixels become 4 and 32 become 5.

    Args:
        image: Channels and side of the images.
        channels: Of the two convolutions.
        widths: Of the fully connected layers; the last is the number of outputs.
        dropout: Probability of dropping an input of the last layer.
    """

    def __init__(
        self, image: tuple[int, int], channels: tuple[int, int], widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        colours, side = image
        self.conv1 = nn.Conv2d(colours, channels[0], _KERNEL)
        self.conv2 = nn.Conv2d(channels[0], channels[1], _KERNEL)
        pooled = ((side - _KERNEL + 1) // 2 - _KERNEL + 1) // 2
        sizes = pairwise([channels[1] * pooled**2, *widths])
        self.fc = nn.ModuleList(nn.Linear(before, after) for before, after in sizes)
        self.dropout = nn.Dropout(dropout)

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Maps images ``[batch, channels, side, side]`` to logits ``[batch, classes]``."""
        hidden = F.max_pool2d(F.relu(self.conv1(channel_last(images))), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2).flatten(1)
        *inner, last = self.fc
        for layer in inner:
            hidden = F.relu(layer(hidden))
        logits: Tensor = last(self.dropout(hidden))
        return logits
