"""Checks of a cluster job's own process, before it joins the cluster."""

import json
import os
import platform
from pathlib import Path

from dropattack import UsageError
from trainables.remote.mirror import mirror_of

CLIENT_PYTHON = "DROPATTACK_CLIENT_PYTHON"
"""Environment variable in which `dropattack submit` tells a job its own Python version."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def python_version() -> str:
    """This process's Python version, as far as the cluster's must match: ``3.11``."""
    return ".".join(platform.python_version_tuple()[:2])


def check_job(store: Path) -> None:
    """Checks what a job's own process can see, before it joins the cluster.

    Raises:
        UsageError: The client's Python differs, or the store would be lost with the job's folder.
    """
    theirs = os.environ.get(CLIENT_PYTHON)
    if theirs is not None and theirs != python_version():
        raise UsageError(
            f"the cluster has Python {python_version()} and the client has Python {theirs}; "
            f"submit with Python {python_version()}"
        )
    uploaded = "working_dir" in json.loads(os.environ.get(_JOB) or "{}").get("runtime_env", {})
    if uploaded and mirror_of(store) is None and store.resolve().is_relative_to(Path.cwd()):
        raise UsageError(
            f"the store {store} lies in the job's own folder, which ends with the job; "
            "name a folder that all nodes share, such as --store /store, or an address such as s3://BUCKET/PREFIX"
        )
