"""An error to inject."""

from typing import NoReturn


class FaultError(Exception):
    """An error that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


def fault(*_: object) -> NoReturn:
    """Raises the error, whatever it is called with."""
    raise FaultError
