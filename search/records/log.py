"""What the driver of a sweep did, and when: ``sweep.log`` in the sweep's folder, bounded in size."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from typing_extensions import override

from search.records.record import Record, State
from search.records.redaction import without_credentials
from trainables.remote.files import send

_MOST_BYTES = 2**20
_log = logging.getLogger("search")
"""All modules of this package write to it by their own names; outside of `sweep_log` it goes nowhere."""


@contextmanager
def sweep_log(folder: Path) -> Iterator[None]:
    """Keeps a log of what happens inside, its end or the error that ends it included.

    Args:
        folder: The sweep's folder. Beside ``sweep.log`` it may come to hold what was written before that,
            ``sweep.log.1``; each has at most 1 MiB.
    """
    handler = _Quiet(folder / "sweep.log", maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    level, propagate = _log.level, _log.propagate
    _log.setLevel(logging.INFO)
    _log.propagate = False
    _log.addHandler(handler)
    try:
        yield
    except BaseException as error:
        _log.error("broke off: %s", type(error).__name__, exc_info=True)
        raise
    finally:
        _log.removeHandler(handler)
        handler.close()
        _share(folder / "sweep.log")
        _log.setLevel(level)
        _log.propagate = propagate


def _share(path: Path) -> None:
    """Sends a log to a store at an address, if that is there: its absence is what the log may say."""
    with suppress(OSError):
        if path.exists():
            send(path)


def note_record(record: Record) -> None:
    """Logs how a trial ended; logs nothing for one that goes on."""
    if record.finished:
        level = logging.WARNING if record.state is State.FAILED else logging.INFO
        end = f"{record.state.value}, {len(record.epochs)} epochs"
        end += f", reused from {record.reused_from}" if record.reused_from else ""
        end += f": {' '.join(record.reason.split())}" if record.reason else ""
        _log.log(level, "%s (%s) %s", record.key, record.name, end)


class _Quiet(RotatingFileHandler):
    """Writes the log; an error of writing does not end a run."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        pass


class _Discreet(logging.Formatter):
    """Leaves credentials out."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return without_credentials(super().format(record))
