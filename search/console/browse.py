"""How the command line opens web interfaces on the records of a store."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from search.console.command import refusals, say
from search.console.options import STORE, AnySweepName, StoreOption

if TYPE_CHECKING:
    from search.records.store import Store

_NAME = "dropattack.localhost"
"""A name of this machine that browsers resolve themselves; at its other names MLflow opens its assistant."""
_DASHBOARD = Path(__file__).resolve().parents[1] / "tracking" / "dashboard.py"
"""A program of its own, which imports nothing of this project."""
_MOST = 5
_LOOK_SECONDS, _PATIENCE_SECONDS = 0.5, 60.0


def ui(
    sweep: AnySweepName = "",
    store: StoreOption = STORE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
    optuna: Annotated[
        bool, typer.Option("--optuna", help="Open optuna-dashboard instead of MLflow, on one sweep.")
    ] = False,
) -> None:
    """Open MLflow's web interface on the records of a store, or optuna-dashboard on a sweep's; no login."""
    with refusals():
        from search.definition.source import sweep_name
        from search.records.existing import existing_store

        place, name = existing_store(store), sweep_name(sweep) if sweep else ""
        command, addresses, more = (_dashboard if optuna else _mlflow)(place, name, port)
        for line in addresses:
            print(line, flush=True)
        may = "read" if optuna else "read, change and delete"
        say(
            f"port {port} has no login: every user of this machine can {may} the records that it shows; "
            "Ctrl-C ends it"
        )
        first = next(iter(addresses), "").rpartition(" ")[2]
        if first and _has_browser():
            threading.Thread(target=_open_when_served, args=(first,), daemon=True).start()
        raise typer.Exit(_served(command, more))


def _mlflow(store: "Store", sweep: str, port: int) -> tuple[list[str], list[str], Mapping[str, str]]:
    """The command that serves MLflow, what to say of it, and its environment."""
    from dropattack import UsageError
    from search.tracking.database import experiments, make_ready
    from search.tracking.views import VIEWS, address

    if not (store.root / "mlflow.db").exists():
        raise UsageError(
            f"{store.name} has no MLflow records here; run a sweep first, or name another --store"
        )
    if sweep:
        store.recorded(sweep)
    make_ready(store)
    shown = experiments(store)
    if sweep and sweep not in shown:
        raise UsageError(f"MLflow does not have sweep {sweep!r} yet; `dropattack run {sweep}` adds it")
    host = _NAME if sys.platform != "darwin" else "127.0.0.1"  # Safari asks a name server, in vain
    server = f"http://{host}:{port}"
    chosen = [sweep] if sweep else list(shown)[:_MOST]
    lines = [f"{n}, {VIEWS[k]}: {address(server, shown[n], k)}" for n in chosen for k in VIEWS]
    local = [f"{name}:*" for name in ("localhost", "127.0.0.1", _NAME)]
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--workers",
        "1",
        "--allowed-hosts",
        ",".join(local),
        "--cors-allowed-origins",
        f"http://{_NAME}:*",
    ]
    command += ["--backend-store-uri", store.tracking_uri]
    return command, lines or [server], {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _dashboard(store: "Store", sweep: str, port: int) -> tuple[list[str], list[str], Mapping[str, str]]:
    """The command that serves optuna-dashboard, what to say of it, and its environment."""
    from importlib.util import find_spec

    from dropattack import UsageError

    if find_spec("optuna_dashboard") is None:
        raise UsageError("optuna-dashboard is not installed; pip install 'dropattack[dashboard]'")
    known = store.sweeps()
    if not sweep and len(known) != 1:
        raise UsageError(
            f"name a sweep: dropattack ui SWEEP --optuna; there are {', '.join(known) or 'none'}"
        )
    name = sweep or known[0]
    command = [sys.executable, str(_DASHBOARD), str(store.journal_path(name).resolve())]
    command += [",".join(aim.column for aim in store.recorded(name).select.aims), str(port)]
    return command, [f"{name}: http://127.0.0.1:{port}/dashboard"], {}


def _served(command: list[str], more: Mapping[str, str]) -> int:
    """Runs the server to its end, and returns its exit status.

    Python imports from the folder that it starts in, which may be somebody else's: the server starts in an
    empty one.
    """
    with tempfile.TemporaryDirectory(prefix="dropattack-ui-") as empty:
        return subprocess.call(command, env=os.environ | more | {"PYTHONSAFEPATH": "1"}, cwd=empty)


def _has_browser() -> bool:
    """Whether someone looks at this terminal and has a graphical browser on the same machine."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _open_when_served(address: str) -> None:
    """Opens an address in the browser as soon as its server answers."""
    split = urlsplit(address)
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", split.port or 80), 1).close()
        except OSError:
            time.sleep(_LOOK_SECONDS)
        else:
            with suppress(webbrowser.Error):
                webbrowser.open(address)
            return
