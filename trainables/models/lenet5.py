"""LeNet-5 as the DropAttack paper sizes it (section 4.2): channels 1-6-16, kernels of 5, FC 400-120-84-10."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.models.strides import channel_last

_KERNEL, _POOLED = 5, 5
"""Two rounds of convolution and pooling leave 5×5 of 28×28 pixels."""


@dataclass(frozen=True, kw_only=True)
class LeNet5Architecture(Architecture):
    """Sizes of LeNet-5; the paper's by default."""

    channels1: int = setting(6, "Channels of the first convolution.", low=1)
    channels2: int = setting(16, "Channels of the second convolution.", low=1)
    hidden1: int = setting(120, "Width of the first fully connected layer.", low=1)
    hidden2: int = setting(84, "Width of the second fully connected layer.", low=1)
    dropout: float = setting(0.0, "Dropout before each fully connected layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "LeNet5":
        """See `Architecture.build`; images are ``[batch, 1, 28, 28]``."""
        return LeNet5(data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        return named({layer: layer for layer in ("conv1", "conv2", "fc1", "fc2", "fc3")})


class LeNet5(nn.Module):
    """Two convolutions and three fully connected layers with ReLU and max pooling.

    The first convolution pads by 2, which the stated width of 400 needs on 28×28 images.

    Args:
        classes: Number of outputs.
        sizes: Widths; the paper's by default.
    """

    def __init__(self, classes: int = 10, sizes: LeNet5Architecture | None = None) -> None:
        super().__init__()
        sizes = sizes or LeNet5Architecture()
        self.conv1 = nn.Conv2d(1, sizes.channels1, _KERNEL, padding=2)
        self.conv2 = nn.Conv2d(sizes.channels1, sizes.channels2, _KERNEL)
        self.fc1 = nn.Linear(sizes.channels2 * _POOLED**2, sizes.hidden1)
        self.fc2 = nn.Linear(sizes.hidden1, sizes.hidden2)
        self.fc3 = nn.Linear(sizes.hidden2, classes)
        self.dropout = nn.Dropout(sizes.dropout)

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Maps images ``[batch, 1, 28, 28]`` to logits ``[batch, classes]``."""
        hidden = F.max_pool2d(F.relu(self.conv1(channel_last(images))), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(self.dropout(hidden.flatten(1))))
        hidden = F.relu(self.fc2(self.dropout(hidden)))
        logits: Tensor = self.fc3(self.dropout(hidden))
        return logits
