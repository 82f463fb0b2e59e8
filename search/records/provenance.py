"""Where records come from: the versions of what they depend on."""

import platform
from importlib.metadata import version

_PACKAGES = ("dropattack", "torch", "ray", "optuna", "mlflow")


def versions() -> dict[str, str]:
    """Versions by name as they are now, Python's among them."""
    return {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}
