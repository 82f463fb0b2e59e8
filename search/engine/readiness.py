"""Checks that a sweep could run here and now: the second part of the check that every command makes.

The first part checks the definition (`search.definition`), and gives the same answer anywhere. This one looks
at the store, the records, the data, the code and this machine. It starts nothing. It writes only what opening
the journal for writing repairs. `check_anywhere` holds what is the same on every machine.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import torch

from dropattack import UsageError
from dropattack.errors import shortened
from search.definition.partial import only_workloads
from search.definition.sweep import Sweep
from search.engine.code import sweep_code
from search.engine.compatibility import check_belongs, check_extends, check_records, check_warm_starts
from search.engine.datasets import remarks_on_left_out, verified_data
from search.engine.last_batches import check_last_batches
from search.engine.nodes import fits, gpu_problem, too_much
from search.engine.proposers import Checksum, Scope, proposer_for
from search.engine.recipes import check_recipes
from search.records.code import SweepCode
from search.records.journal import Journal
from search.records.redaction import without_credentials
from search.records.store import Store
from trainables.remote.mirror import mirror_of

_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks")
"""Schemes of addresses that MLflow takes, also with a driver after a plus sign: ``postgresql+psycopg``."""


@dataclass(frozen=True)
class Ready:
    """What a run or a plan of a sweep needs.

    Attributes:
        asked: The part of the sweep to run: all of it, or that of some workloads.
        checksum: Returns the digest of a workload's data.
        code: Code of the sweep's workloads and methods.
        journal: The sweep's records; ``None`` if it has not been run and nothing is to be written.
        remarks: A line for each workload that is left out, with what is missing of its data.
    """

    asked: Sweep
    checksum: Checksum
    code: SweepCode
    journal: Journal | None
    remarks: Sequence[str] = ()


def check_ready(
    sweep: Sweep,
    store: Store,
    data: Path,
    tracking_uri: str = "",
    writable: bool = False,
    only: Iterable[str] = (),
) -> Ready:
    """Checks that a sweep could run.

    Args:
        sweep: What to run.
        store: Where it is kept.
        data: The data root.
        tracking_uri: MLflow server; empty for the store's own database.
        writable: Whether to open the journal for writing; the caller then holds the sweep's folder.
        only: Workloads to run; all by default.

    Raises:
        UsageError: It could not; the message says what to do.
    """
    _check_request(sweep, tracking_uri)
    asked = only_workloads(sweep, only)
    code = sweep_code(sweep)
    _check_store(store.root)
    if sweep.mlflow.system_metrics and find_spec("psutil") is None:
        raise UsageError("mlflow.system_metrics needs psutil; run: pip install 'dropattack[system]'")
    _check_machine(sweep)
    checksum = verified_data(asked, data, sweep)
    old = store.standing_definition(sweep.name)
    store.look_at_notes(sweep.name)
    if old is not None:
        check_extends(old, sweep)
    if old != sweep:
        _check_training(asked, data)
    check_warm_starts(asked, store.sweeps())
    remarks = remarks_on_left_out(sweep, asked, data)
    if not writable and sweep.name not in store.sweeps():
        return Ready(asked, checksum, code, None, remarks)
    journal = store.journal(sweep, writable, code)
    if old is None:
        check_belongs([*journal.records, *journal.apart], sweep)
    of_asked = [record for record in journal.records if record.trial.workload in asked.workloads]
    check_records(of_asked, sweep, checksum)
    if old == sweep and {record.trial.workload for record in of_asked} != set(asked.workloads):
        _check_training(asked, data)  # a run of other workloads alone defined the sweep
    return Ready(asked, checksum, code, journal, remarks)


def _check_training(sweep: Sweep, data: Path) -> None:
    """Refuses recipes and batches with which the data cannot be trained."""
    check_recipes(sweep, data)
    check_last_batches(sweep, data)


def check_anywhere(sweep: Sweep, tracking_uri: str = "") -> None:
    """Checks all that needs no store, data or certain machine, before a sweep is sent to a cluster.

    Args:
        sweep: What to run.
        tracking_uri: MLflow server; empty for the store's own database.

    Raises:
        UsageError: No machine could run the sweep; the message says what to do.
    """
    _check_request(sweep, tracking_uri)
    sweep_code(sweep)
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            proposer_for(Scope(sweep, stage, workload, lambda workload, options: ""))


def _check_request(sweep: Sweep, tracking_uri: str) -> None:
    check_address(tracking_uri)
    gpus = sweep.resources.most_gpus
    if gpus > 1:
        raise UsageError(
            f"resources.gpus: {gpus:g} would leave GPUs idle, since a trial trains on one; set 1"
        )


def check_address(tracking_uri: str) -> None:
    """Refuses an address at which MLflow could never be reached.

    Raises:
        UsageError: Its scheme is none of MLflow's, or it names no host.
    """
    if not tracking_uri:
        return
    shown = shortened(without_credentials(tracking_uri))
    try:
        scheme, host = urlsplit(tracking_uri).scheme, urlsplit(tracking_uri).hostname
    except ValueError as error:
        raise UsageError(f"the tracking address {shown!r} is invalid ({error})") from None
    if scheme.partition("+")[0] not in _SCHEMES:
        raise UsageError(
            f"the tracking address {shown!r} must begin with one of "
            f"{', '.join(f'{name}:' for name in _SCHEMES)}"
        )
    if scheme in ("http", "https") and not host:
        raise UsageError(f"the tracking address {shown!r} names no host; write http://HOST:5000")


def _check_store(root: Path) -> None:
    """Refuses a store that could not be written to; it is made when a run begins."""
    mirror = mirror_of(root)
    if mirror is not None and mirror.address.scheme == "memory":
        raise UsageError(
            f"only this process sees {mirror.address}, and trials run in others; name a folder, or s3://"
        )
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"the store {root} cannot be a folder: {there} is a file; name another --store")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"the store {root} cannot be written; name another --store")


def _check_machine(sweep: Sweep) -> None:
    """Refuses what this machine could never run; a cluster is checked when it is joined."""
    if os.environ.get("RAY_ADDRESS"):
        return
    if problem := gpu_problem(sweep.resources):
        raise UsageError(problem)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"CPU": float(os.cpu_count() or 1), "GPU": float(count)}
    if not fits(sweep.resources, here):
        raise UsageError(too_much(sweep.resources, [here]))
