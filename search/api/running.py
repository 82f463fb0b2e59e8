"""Running, planning and looking at sweeps from Python."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dropattack.imported import given_only
from search.api.result import Result
from search.api.sweep import Sweep, as_defined, name_of
from search.console.standings import Standing, standing_of
from search.console.terminal import terminal
from search.definition import sweep as definition
from search.engine.plan import Plan, plan_sweep
from search.records.existing import existing_store
from search.records.mirrored import folder_of
from search.records.store import Store
from search.service import run_sweep
from trainables.data.place import data_root, rooted


def run(
    sweep: definition.Sweep | str | Path,
    store: str | Path = "runs",
    data: str | Path | None = None,
    *,
    tracking_uri: str = "",
    retry_failed: bool = False,
    progress: bool = False,
    only: Sequence[str] = (),
) -> Result:
    """Does what remains of a sweep: trains, writes to MLflow, writes the report.

    It never repeats recorded training: call it again after a kill or Ctrl-C, and it goes on. A failed trial
    does not end the run; `Result.failed` lists it.

    Args:
        sweep: A sweep, the name of a bundled one, or the path of a sweep file.
        store: Folder of all records, or its address, such as ``s3://bucket/prefix``.
        data: Root folder of datasets; ``$DROPATTACK_DATA`` or else ``data`` by default.
        tracking_uri: MLflow server; the store's own database where it is empty.
        retry_failed: Whether to try again trials that failed for a reason outside of them.
        progress: Whether to show progress in the terminal.
        only: Workloads to run; all by default. A later run does what remains of the sweep.

    Raises:
        UsageError: The request is wrong; nothing has been started.
        RunError: Ray cannot start, or the run cannot go on; what is recorded is whole.
        KeyboardInterrupt: An interrupt came before its trials began, or a second one came.
    """
    asked, place, root = as_defined(sweep), Store(folder_of(store)), _root(data)
    console = terminal() if progress else Console(quiet=True)
    with rooted(root):
        outcome = run_sweep(asked, place, root, console, tracking_uri, retry_failed=retry_failed, only=only)
    return Result(Sweep.of(asked), place, outcome.limit, outcome.warning)


@given_only()
def plan(
    sweep: definition.Sweep | str | Path,
    store: str | Path = "runs",
    data: str | Path | None = None,
    *,
    tracking_uri: str = "",
    only: Sequence[str] = (),
    probe: bool = False,
) -> Plan:
    """Returns what a run would do: trials, how many are recorded, passes, time. Starts and writes nothing.

    Args:
        sweep: See `run`.
        store: Folder of all records, or its address, such as ``s3://bucket/prefix``.
        data: See `run`.
        tracking_uri: MLflow server.
        only: Workloads to plan; all by default.
        probe: Whether to train a few steps of each workload here to measure their time.

    Raises:
        UsageError: The sweep could not be run.
    """
    root = _root(data)
    with rooted(root):
        return plan_sweep(as_defined(sweep), Store(folder_of(store)), root, tracking_uri, probe, only)


@given_only()
def status(sweep: definition.Sweep | str | Path, store: str | Path = "runs") -> Standing:
    """Returns how far a sweep is, also while another process runs it.

    Args:
        sweep: A sweep, its name, or the path of its file.
        store: Folder of all records, or its address, such as ``s3://bucket/prefix``.

    Raises:
        UsageError: There is no store, or the sweep has not been run or cannot be read.
    """
    return standing_of(existing_store(folder_of(store)), name_of(sweep))


def _root(data: str | Path | None) -> Path:
    return data_root() if data is None else Path(data)
