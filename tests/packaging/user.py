"""A user: an environment of their own, an empty folder, and the commands they give there."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OURS = ("PYTHON", "DROPATTACK_", "MLFLOW_", "RAY_", "VIRTUAL_ENV")
"""How variables begin that would show a user's process the checkout, or another store."""


class User:
    """Someone with a fresh virtual environment, who works in an empty folder.

    Args:
        root: A folder for the environment, the user's cache and ``work``, where commands run.
    """

    def __init__(self, root: Path) -> None:
        self.bin, self.folder = root / "venv" / "bin", root / "work"
        self.folder.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._environment = kept | {
            "XDG_CACHE_HOME": str(root / "cache"),
            "PATH": f"{self.bin}:{kept['PATH']}",
        }

    def pip(self, *arguments: str | Path) -> str:
        """What pip prints; it works on this environment from outside, so that it is no part of it."""
        return self._output([sys.executable, "-m", "pip", "--python", self.bin / "python", *arguments])

    def dropattack(self, *arguments: str) -> str:
        """What a command prints that must succeed."""
        return self._output([self.bin / "dropattack", *arguments])

    def python(self, code: str) -> str:
        """What a program prints that must succeed."""
        return self._output([self.bin / "python", "-c", code])

    def enter(self, folder: str) -> None:
        """Works in a folder of the present one from now on."""
        self.folder /= folder

    def find_modules(self) -> None:
        """Has Python find the modules of the present folder from now on."""
        self._environment["PYTHONPATH"] = str(self.folder)

    def _output(self, command: Sequence[str | Path]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout
