"""A writer in a process of its own, which can be killed.

``python -m dropattack.testing.stores.writer MODULE CLASS FOLDER`` opens a sweep for writing, records a trial
with three epochs, says so, and keeps the sweep open until its input ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from dropattack.testing.stores.cases import StoreCases, small_sweep, some_metrics, some_trial

EPOCHS = 3
_READY = "recorded"


@contextmanager
def writer_elsewhere(contract: StoreCases, folder: Path) -> Iterator[None]:
    """Inside this context another process holds the sweep `small_sweep`; at the end it is killed.

    Args:
        contract: Makes the store; its class must be importable by name.
        folder: See `StoreCases.make`.
    """
    kind = type(contract)
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, kind.__module__, kind.__qualname__, str(folder)],
        env=os.environ | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said.strip() == _READY, f"the writer in a process of its own ended before it recorded: {said}"
        yield
    finally:
        process.kill()
        process.communicate()


def _write(contract: StoreCases, folder: Path) -> None:
    sweep = small_sweep()
    store = contract.make(folder)
    with contract.writing(store, sweep) as journal:
        store.define(sweep)
        record = journal.add("grid", some_trial())
        for epoch in range(1, EPOCHS + 1):
            journal.append(record, some_metrics(epoch))
        print(_READY, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    found: type[StoreCases] = getattr(import_module(sys.argv[1]), sys.argv[2])
    _write(found(), Path(sys.argv[3]))
