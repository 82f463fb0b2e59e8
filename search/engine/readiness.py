"""Whether a sweep could run here and now: the second part of the one check that every command makes.

The first part is the definition's (`search.definition`), which is the same anywhere. This one looks at the
store, the records, the data, the code and this machine. It starts nothing, and writes nothing but what
opening the journal for writing puts right.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch

from dropattack import UsageError
from dropattack.errors import shortened
from search.definition.sweep import Sweep
from search.engine.code import sweep_code
from search.engine.compatibility import check_belongs, check_extends, check_records, check_warm_starts
from search.engine.datasets import verified_data
from search.engine.last_batches import check_last_batches
from search.engine.nodes import fits, gpu_problem, too_much
from search.engine.proposers import Checksum
from search.engine.recipes import check_recipes
from search.records.code import SweepCode
from search.records.journal import Journal
from search.records.redaction import without_credentials
from search.records.store import Store
from trainables.remote.mirror import mirror_of

_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks")
"""Addresses that MLflow knows, also with a driver behind a plus sign: ``postgresql+psycopg``."""


@dataclass(frozen=True)
class Ready:
    """What a run or a plan of a sweep goes by.

    Attributes:
        checksum: Gives the digest of a workload's data.
        code: Of the sweep's workloads and methods.
        journal: The sweep's records; ``None`` where it has not been run and nothing is to be written.
    """

    checksum: Checksum
    code: SweepCode
    journal: Journal | None


def check_ready(
    sweep: Sweep, store: Store, data: Path, tracking_uri: str = "", writable: bool = False
) -> Ready:
    """Makes sure that a sweep could run.

    Args:
        sweep: What to run.
        store: Where it is kept.
        data: The data root.
        tracking_uri: MLflow server; empty for the store's own database.
        writable: Whether to open the journal for writing; the caller then holds the sweep's folder.

    Raises:
        UsageError: It could not; the message says what to do.
    """
    check_address(tracking_uri)
    _check_store(store.root)
    _check_machine(sweep)
    code = sweep_code(sweep)
    checksum = verified_data(sweep, data)
    old = store.standing_definition(sweep.name)
    store.look_at_notes(sweep.name)
    if old is not None:
        check_extends(old, sweep)
    if old != sweep:
        check_recipes(sweep, data)
        check_last_batches(sweep, data)
    check_warm_starts(sweep, store.sweeps())
    if not writable and sweep.name not in store.sweeps():
        return Ready(checksum, code, None)
    journal = store.journal(sweep, writable, code)
    if old is None:
        check_belongs([*journal.records, *journal.apart], sweep)
    check_records(journal.records, sweep, checksum)
    return Ready(checksum, code, journal)


def check_address(tracking_uri: str) -> None:
    """Refuses an address that MLflow could never be reached at.

    Raises:
        UsageError: Its scheme is none of MLflow's, or it names no host.
    """
    if not tracking_uri:
        return
    shown = shortened(without_credentials(tracking_uri))
    try:
        scheme, host = urlsplit(tracking_uri).scheme, urlsplit(tracking_uri).hostname
    except ValueError as error:
        raise UsageError(f"the tracking address {shown!r} is none ({error})") from None
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
            f"{mirror.address} is seen by this process alone, and trials run in others; name a folder, or s3://"
        )
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"the store {root} cannot be a folder: {there} is a file; name another --store")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"the store {root} cannot be written; name another --store")


def _check_machine(sweep: Sweep) -> None:
    """Refuses what this machine could never run; a cluster is asked when it is joined."""
    gpus = sweep.resources.most_gpus
    if gpus > 1:
        raise UsageError(
            f"resources.gpus: {gpus:g} would leave GPUs idle, since a trial trains on one; set 1"
        )
    if os.environ.get("RAY_ADDRESS"):
        return
    if problem := gpu_problem(sweep.resources):
        raise UsageError(problem)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"CPU": float(os.cpu_count() or 1), "GPU": float(count)}
    if not fits(sweep.resources, here):
        raise UsageError(too_much(sweep.resources, [here]))
