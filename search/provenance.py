"""Where records come from: the command that makes them, and the versions of what they depend on."""

import platform
import shlex
from importlib.metadata import version

_PACKAGES = ("dropattack", "torch", "ray", "optuna", "mlflow")


def command(source: str) -> str:
    """The command that runs a sweep; ``source`` is its name or file."""
    return f"dropattack run {shlex.quote(source)}"


def versions() -> dict[str, str]:
    """Versions by name, Python's among them."""
    return {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}
