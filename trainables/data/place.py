"""The data root of the running command, for code that receives no path."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_ROOT: ContextVar[Path | None] = ContextVar("data root", default=None)


def data_root() -> Path:
    """The data root of the running command, else ``$DROPATTACK_DATA``, else ``data``."""
    return _ROOT.get() or Path(os.environ.get("DROPATTACK_DATA", "data"))


@contextmanager
def rooted(root: Path) -> Iterator[None]:
    """Makes a folder the data root inside this context."""
    token = _ROOT.set(root)
    try:
        yield
    finally:
        _ROOT.reset(token)
