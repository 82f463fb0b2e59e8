"""VGG-16 with batch normalisation as the DropAttack paper uses it (section 4.2): FC 512-4096-4096-10."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.vision import vgg

_CONVOLUTIONS = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
"""Places of the 13 convolutions in torchvision's ``features``, each before its normalisation."""


@dataclass(frozen=True, kw_only=True)
class VGG16Architecture(Architecture):
    """Sizes of VGG-16; convolutions have the published sizes unless ``channels`` makes them narrower."""

    channels: int = setting(
        64, "Channels of the first two convolutions; the others have 2, 4 and 8 times as many.", low=1
    )
    hidden: int = setting(4096, "Width of both hidden fully connected layers.", low=1)
    dropout: float = setting(0.0, "Dropout before the second and third fully connected layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "VGG16":
        """See `Architecture.build`; images are ``[batch, 3, 32, 32]``."""
        return VGG16(data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`; ``conv3`` is the third convolution, ``bn3`` its normalisation."""
        layers: dict[str, str] = {}
        for number, index in enumerate(_CONVOLUTIONS, 1):
            layers |= {f"conv{number}": f"features.{index}", f"bn{number}": f"features.{index + 1}"}
        return named(layers | {f"fc{number}": f"fc{number}" for number in (1, 2, 3)})


class VGG16(nn.Module):
    """Torchvision's 13 convolutions with batch normalisation, and three fully connected layers.

    Convolutions start as in torchvision, with He initialisation. Linear layers keep torch's default:
    torchvision's N(0, 0.01) suits 25,088 inputs and would make outputs of layers of 512 nearly zero.

    Args:
        classes: Number of outputs.
        sizes: Widths; the paper's by default.
    """

    def __init__(self, classes: int = 10, sizes: VGG16Architecture | None = None) -> None:
        super().__init__()
        sizes = sizes or VGG16Architecture()
        published = vgg()
        layers = [layer if layer == "M" else layer * sizes.channels // 64 for layer in published.cfgs["D"]]
        self.features = published.make_layers(layers, batch_norm=True)
        self.fc1 = nn.Linear(8 * sizes.channels, sizes.hidden)
        self.fc2 = nn.Linear(sizes.hidden, sizes.hidden)
        self.fc3 = nn.Linear(sizes.hidden, classes)
        self.dropout = nn.Dropout(sizes.dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Maps images ``[batch, 3, 32, 32]`` to logits ``[batch, classes]``."""
        hidden = self.features(images).flatten(1)
        hidden = self.dropout(self.fc1(hidden).relu())
        hidden = self.dropout(self.fc2(hidden).relu())
        logits: Tensor = self.fc3(hidden)
        return logits
