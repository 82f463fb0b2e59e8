"""Where data are looked for by what is not told: the data root of the command that runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_ROOT: ContextVar[Path | None] = ContextVar("data root", default=None)


def data_root() -> Path:
    """The data root of the command that runs, else ``$DROPATTACK_DATA``, else ``data``."""
    return _ROOT.get() or Path(os.environ.get("DROPATTACK_DATA", "data"))


@contextmanager
def rooted(root: Path) -> Iterator[None]:
    """Makes a folder the data root meanwhile."""
    token = _ROOT.set(root)
    try:
        yield
    finally:
        _ROOT.reset(token)
