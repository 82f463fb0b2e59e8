"""Classifiers of images by name: those of torchvision, and of timm where it is installed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import UsageError, setting
from dropattack.errors import first_line, unknown
from trainables import vision
from trainables.data.dataset import Data
from trainables.models.resnet import ResNet18Architecture

_MEAN, _SPREAD = "pixel_mean", "pixel_spread"


def torchvision_model(name: str) -> Callable[..., nn.Module]:
    """A model of torchvision by name, such as ``resnet18``; for ``Workload(model=…)``.

    Returns:
        A function with the setting ``pretrained``: whether the model starts from torchvision's own weights,
        which are fetched first, with a new last layer. The model then scales pixels as those weights expect.

    Raises:
        UsageError: torchvision has no model of that name.
    """
    known: Any = vision.models()
    names = known.list_models(module=known)
    if name not in names:
        raise unknown("model of torchvision", name, names)

    def build(data: Data, pretrained: bool = False) -> nn.Module:
        _check_colours(name, data)
        if not pretrained:
            model: nn.Module = known.get_model(name, weights=None, num_classes=data.classes)
            return model
        weights = known.get_model_weights(name).DEFAULT
        begun = len(data.train) > 0  # a saved model brings its own weights, and no examples
        model = _fetched(name, lambda: known.get_model(name, weights=weights if begun else None))
        _with_new_head(model, name, data.classes)
        change = weights.transforms()
        return _scaling(model, change.mean, change.std)

    return build


@dataclass(frozen=True, kw_only=True)
class ResNet18OfImages(ResNet18Architecture):
    """Torchvision's unchanged ResNet-18, for images of 64 pixels and more."""

    pretrained: bool = setting(False, "Whether it starts from torchvision's own weights, fetched first.")

    @override
    def build(self, data: Data) -> nn.Module:
        """See `torchvision_model`."""
        return torchvision_model("resnet18")(data, pretrained=self.pretrained)


def timm_model(name: str) -> Callable[..., nn.Module]:
    """A model of timm by name; see `torchvision_model`. Needs the extra ``timm``.

    Raises:
        UsageError: timm is not installed, or has no model of that name.
    """
    library: Any = vision.timm()
    if not library.is_model(name):
        raise unknown("model of timm", name, library.list_models())

    def build(data: Data, pretrained: bool = False) -> nn.Module:
        begun = pretrained and len(data.train) > 0
        options = {"num_classes": data.classes, "in_chans": data.shape[0]}
        model = _fetched(name, lambda: library.create_model(name, pretrained=begun, **options))
        if not pretrained:
            return model
        _check_colours(name, data)
        expected: Any = model.default_cfg
        return _scaling(model, expected["mean"], expected["std"])

    return build


def _check_colours(name: str, data: Data) -> None:
    if data.shape[0] != 3:
        raise UsageError(f"{name} takes images of 3 channels, and these have {data.shape[0]}")


def _fetched(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{name} cannot be built ({first_line(error)})") from error


def _with_new_head(model: nn.Module, name: str, classes: int) -> None:
    """Replaces the last layer by a linear one for so many classes."""
    linear = [(path, module) for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UsageError(f"{name} does not end in a linear layer; it trains with pretrained: false only")
    path, last = linear[-1]
    parent, _, attribute = path.rpartition(".")
    setattr(model.get_submodule(parent), attribute, nn.Linear(last.in_features, classes))


def _scaling(model: nn.Module, mean: Sequence[float], spread: Sequence[float]) -> nn.Module:
    """Makes a model scale its own pixels, from [0, 1], so that attacks change pixels; its names stay."""
    for name, values in ((_MEAN, mean), (_SPREAD, spread)):
        model.register_buffer(name, torch.tensor(values).view(-1, 1, 1))
    model.register_forward_pre_hook(_scaled)
    return model


def _scaled(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    images, *rest = inputs
    return ((images - model.get_buffer(_MEAN)) / model.get_buffer(_SPREAD), *rest)
