"""A perceptron for rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from typing_extensions import override

from dropattack import setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data


@dataclass(frozen=True, kw_only=True)
class MLPArchitecture(Architecture):
    """Sizes of a perceptron."""

    width: int = setting(64, "Width of each hidden layer.", low=1)
    layers: int = setting(2, "Hidden layers.", low=1, high=16)
    dropout: float = setting(0.0, "Dropout after each hidden layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "MLP":
        """See `Architecture.build`; rows have ``data.extras["features"]`` numbers."""
        return MLP(int(data.extras["features"]), data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        return named({f"fc{number + 1}": f"layers.{number}" for number in range(self.layers + 1)})


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    Args:
        features: Numbers of a row.
        outputs: Number of logits, or of predicted numbers.
        sizes: See `MLPArchitecture`.
    """

    def __init__(self, features: int, outputs: int, sizes: MLPArchitecture) -> None:
        super().__init__()
        widths = [features, *[sizes.width] * sizes.layers, outputs]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.dropout = nn.Dropout(sizes.dropout)

    @override
    def forward(self, rows: Tensor) -> Tensor:
        """Maps rows ``[batch, features]`` to outputs ``[batch, outputs]``."""
        *hidden, last = self.layers
        for layer in hidden:
            rows = self.dropout(layer(rows).relu())
        outputs: Tensor = last(rows)
        return outputs
