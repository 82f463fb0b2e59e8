"""Where records come from: the versions of what they depend on."""

import platform
from importlib.metadata import version

import torch

_PACKAGES = ("dropattack", "ray", "optuna", "mlflow")


def versions() -> dict[str, str]:
    """Versions by name as they are now, Python's among them.

    Torch's is that of its build, ``2.13.0+cpu`` or ``2.13.0+cu130``, each of which rounds in its own way; the
    distribution's metadata may leave the build out.
    """
    numbers = {name: version(name) for name in _PACKAGES}
    return numbers | {"torch": str(torch.__version__), "python": platform.python_version()}
