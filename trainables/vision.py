"""The only module that imports torchvision and libraries that import it; it needs no compiled operators.

A torchvision built for a GPU fails to import beside a CPU-only torch, since two of its operators have no
schema there. Models need neither operator, so this module declares the schemas and imports again.
"""

import importlib
import sys
from types import ModuleType

import torch

from dropattack import UsageError

_MISSING = "operator torchvision::"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_KEPT: list[torch.library.Library] = []
"""Declared schemas live as long as their library object."""


def vgg() -> ModuleType:
    """``torchvision.models.vgg``."""
    return _module("torchvision.models.vgg")


def resnet() -> ModuleType:
    """``torchvision.models.resnet``."""
    return _module("torchvision.models.resnet")


def transforms() -> ModuleType:
    """``torchvision.transforms.v2``."""
    return _module("torchvision.transforms.v2")


def models() -> ModuleType:
    """``torchvision.models``."""
    return _module("torchvision.models")


def timm() -> ModuleType:
    """``timm``, which imports torchvision.

    Raises:
        UsageError: It is not installed.
    """
    return _extra("timm")


def transformers() -> ModuleType:
    """``transformers``, which imports torchvision.

    Raises:
        UsageError: It is not installed.
    """
    return _extra("transformers")


def datasets() -> ModuleType:
    """Hugging Face's ``datasets``.

    Raises:
        UsageError: It is not installed.
    """
    return _extra("datasets")


def peft() -> ModuleType:
    """``peft``, which imports transformers and so torchvision.

    Raises:
        UsageError: It is not installed.
    """
    return _extra("peft")


def torchmetrics() -> ModuleType:
    """``torchmetrics``, which imports torchvision."""
    _mend()
    return importlib.import_module("torchmetrics")


def _extra(name: str) -> ModuleType:
    """A library that the extra of its name installs."""
    try:
        return _module(name)
    except ImportError as error:
        raise UsageError(f"{name} is not installed; pip install 'dropattack[{name}]'") from error


def _module(name: str) -> ModuleType:
    _mend()
    return importlib.import_module(name)


def _mend() -> None:
    try:
        importlib.import_module("torchvision")
        return
    except RuntimeError as error:
        if _MISSING not in str(error) or _KEPT:
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _KEPT.append(library)
    for half in [known for known in sys.modules if known.partition(".")[0] == "torchvision"]:
        del sys.modules[half]
