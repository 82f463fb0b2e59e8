"""How the command line serves MLflow's web interface."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from search.console.command import refusals, say
from search.console.options import STORE, StoreOption


def ui(
    store: StoreOption = STORE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Open MLflow's web interface on the records of a store; it has no login."""
    with refusals():
        from dropattack import UsageError
        from search.records.store import Store
        from search.tracking.database import make_ready

        if not (store / "mlflow.db").exists():
            raise UsageError(f"{store} has no MLflow records; run a sweep first, or name another --store")
        make_ready(Store(store))
        say(
            f"http://127.0.0.1:{port} has no login: every user of this machine can read, change and delete "
            "what MLflow shows of this store; Ctrl-C ends it"
        )
        address = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
        uri = Store(store).tracking_uri
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        raise typer.Exit(subprocess.call([*address, "--backend-store-uri", uri], env=environment))
