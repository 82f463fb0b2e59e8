"""A notice that a worker must soon leave its trials: its process, its node or its run is about to end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import ray
from ray._private.state import state as cluster
from ray._private.worker import WORKER_MODE
from ray.experimental import internal_kv

_LOOK_EVERY_SECONDS = 2.0
_NAMESPACE = b"dropattack-notice"

_given = threading.Event()
_training = threading.Event()
_rays_handler: Any = None


class PreemptedError(Exception):
    """A process left its stack because of a notice, saved as far as possible; another process resumes it.

    Args:
        further: Whether it got further within an epoch than before.
    """

    def __init__(self, further: bool) -> None:
        super().__init__(further)
        self.further = further


def given() -> bool:
    """Whether this process must leave its trials."""
    return _given.is_set()


def give() -> None:
    """Gives notice to all workers of this driver's run; Ray must be connected."""
    internal_kv._internal_kv_put(_run(), b"1", namespace=_NAMESPACE)


def listen() -> None:
    """In a worker of Ray, begins to listen for notices; elsewhere does nothing.

    Ray drains a node that a cloud or another user takes back; a batch system sends SIGTERM.
    """
    global _rays_handler
    if _rays_handler is not None or not ray.is_initialized():
        return
    if ray.get_runtime_context().worker.mode != WORKER_MODE:
        return
    _rays_handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    threading.Thread(target=_look, name="notice", daemon=True).start()


@contextmanager
def heeded() -> Iterator[None]:
    """Inside this context, a SIGTERM is a notice; a second one ends the process, as in Ray."""
    _training.set()
    try:
        yield
    finally:
        _training.clear()


def _terminated(number: int, frame: FrameType | None) -> None:
    if _training.is_set() and not _given.is_set():
        _given.set()
    else:
        _rays_handler(number, frame)


def _look() -> None:
    key, node = _run(), ray.get_runtime_context().get_node_id()
    while not _given.wait(_LOOK_EVERY_SECONDS):
        with suppress(Exception):  # a cluster that does not answer gives no notice
            if (
                internal_kv._internal_kv_get(key, namespace=_NAMESPACE)
                or node in cluster.get_draining_nodes()
            ):
                _given.set()


def _run() -> bytes:
    return str(ray.get_runtime_context().get_job_id()).encode()
