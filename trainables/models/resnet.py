"""Residual networks for images of 32×32 pixels: today's ResNet-18, and ResNet-20 of the first paper."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.vision import resnet


def _targets(layers: list[str]) -> Mapping[str, str]:
    """Targets of layers in their order; convolutions have no bias."""
    found: dict[str, str] = {}
    for layer in layers:
        biased = layer.split(".")[-1].startswith(("bn", "fc", "1"))
        found |= named({layer: layer}, bias=biased)
    return found


@dataclass(frozen=True, kw_only=True)
class ResNet18Architecture(Architecture):
    """Torchvision's ResNet-18 with a first convolution of 3×3 pixels and without the first pooling.

    Papers on CIFAR-10 call this model ResNet-18: 11.2 million parameters.
    """

    @override
    def build(self, data: Data) -> nn.Module:
        """See `Architecture.build`; images are ``[batch, 3, 32, 32]``."""
        model: nn.Module = resnet().resnet18(num_classes=data.classes)
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return model

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`; names are torchvision's."""
        layers = ["conv1", "bn1"]
        for stage in (1, 2, 3, 4):
            for block in (0, 1):
                name = f"layer{stage}.{block}"
                layers += [f"{name}.{part}" for part in ("conv1", "bn1", "conv2", "bn2")]
                if stage > 1 and block == 0:
                    layers += [f"{name}.downsample.0", f"{name}.downsample.1"]
        return _targets([*layers, "fc"])


@dataclass(frozen=True, kw_only=True)
class SmallResNetArchitecture(Architecture):
    """Sizes of the residual networks of He et al. 2016 (section 4.2); ResNet-20 by default."""

    depth: int = setting(20, "Layers with weights, 6 n + 2: 20, 32, 44, 56 or 110.", low=8, high=110)
    width: int = setting(
        16, "Channels of the first stage; the next have twice and four times as many.", low=1
    )

    @override
    def build(self, data: Data) -> "SmallResNet":
        """See `Architecture.build`; images are ``[batch, 3, 32, 32]``."""
        return SmallResNet(data.classes, self)

    @property
    def blocks(self) -> int:
        """Blocks of each of the three stages."""
        return (self.depth - 2) // 6

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        layers = ["conv1", "bn1"]
        for stage in (1, 2, 3):
            for block in range(self.blocks):
                layers += [f"layer{stage}.{block}.{part}" for part in ("conv1", "bn1", "conv2", "bn2")]
        return _targets([*layers, "fc"])


class SmallResNet(nn.Module):
    """Three stages of residual blocks whose shortcuts have no parameters, and a linear layer.

    Args:
        classes: Number of outputs.
        sizes: See `SmallResNetArchitecture`.
    """

    def __init__(self, classes: int = 10, sizes: SmallResNetArchitecture | None = None) -> None:
        super().__init__()
        sizes = sizes or SmallResNetArchitecture()
        width, blocks = sizes.width, sizes.blocks
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(*_stage(width, width, blocks))
        self.layer2 = nn.Sequential(*_stage(width, 2 * width, blocks))
        self.layer3 = nn.Sequential(*_stage(2 * width, 4 * width, blocks))
        self.fc = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Maps images ``[batch, 3, 32, 32]`` to logits ``[batch, classes]``."""
        hidden = self.bn1(self.conv1(images)).relu()
        hidden = self.layer3(self.layer2(self.layer1(hidden)))
        logits: Tensor = self.fc(hidden.mean((2, 3)))
        return logits


class _Block(nn.Module):
    """Two convolutions beside a shortcut that takes every second pixel and fills new channels with zeros."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self._stride = 1 if before == channels else 2
        self._new = channels - before
        self.conv1 = nn.Conv2d(before, channels, 3, self._stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    @override
    def forward(self, images: Tensor) -> Tensor:
        hidden = self.bn1(self.conv1(images)).relu()
        shortcut = images[:, :, :: self._stride, :: self._stride]
        shortcut = F.pad(shortcut, (0, 0, 0, 0, self._new // 2, self._new - self._new // 2))
        added: Tensor = self.bn2(self.conv2(hidden)) + shortcut
        return added.relu()


def _stage(before: int, channels: int, blocks: int) -> Iterator[_Block]:
    yield _Block(before, channels)
    for _ in range(blocks - 1):
        yield _Block(channels, channels)
