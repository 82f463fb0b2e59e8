"""Runs the services of ``docker/compose.yaml`` on this machine, by the very commands given there.

What differs is where things are: each container path and each port stands for one of this run's own.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.patience import watched

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def compose(*more: str) -> dict[str, Any]:
    """The compose file, as it is read with every variable at its default.

    Args:
        more: Names of files that are laid over it, as ``--file`` does.
    """
    merged: dict[str, Any] = {}
    for name in ("compose.yaml", *more):
        text = (DOCKER / name).read_text(encoding="utf-8")
        text = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
        merged = _laid_over(merged, yaml.safe_load(text))
    return merged


def _laid_over(below: Any, above: Any, name: str = "") -> Any:
    """Mappings are joined, and lists but those of commands go on."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _laid_over(below.get(key), value, key) for key, value in above.items()}
    if isinstance(below, list) and name not in ("command", "test"):
        return [*below, *above]
    return above


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NativeCompose:
    """The cluster of the compose file on this machine.

    Args:
        root: A folder with a short path, for everything the services write.
        more: See `compose`.

    Attributes:
        apart: Folders that each worker has for itself, empty when it starts, in place of the head's.
        changing: What the services write into as long as they do something.
        answers: Commands that say whether a stand-in for a service of that name answers.
    """

    def __init__(self, root: Path, *more: str) -> None:
        self.root = root
        self.secrets = root / "secrets"
        self.store, self.local = root / "store", root / "local"
        for folder in (self.store, self.local, root / "data", root / "artifacts", root / "home"):
            folder.mkdir(parents=True)
        self.apart, self.changing = [self.local], self.store
        self.answers: dict[str, list[str]] = {}
        self._ports = {port: free_port() for port in (5000, 5432, 6379, 8265, 9000, 52365)}
        self._services: dict[str, Any] = compose(*more)["services"]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run([DOCKER / "secrets.sh", self.secrets], check=True)
        service_file = self.secrets / "pg_service.conf"
        service_file.write_text(self.native(service_file.read_text(encoding="utf-8")), encoding="utf-8")

    @property
    def jobs_api(self) -> str:
        """Address of the Jobs API."""
        return f"http://127.0.0.1:{self._ports[8265]}"

    def port(self, container: int) -> int:
        """The port that stands for a container's."""
        return self._ports[container]

    @property
    def mlflow(self) -> str:
        """Address of the MLflow server."""
        return f"http://127.0.0.1:{self._ports[5000]}"

    def native(self, text: str) -> str:
        """What a word of a command or of the environment is on this machine."""
        for container, here in {
            "$$": "$",
            "/run/secrets": str(self.secrets),
            "/artifacts": str(self.root / "artifacts"),
            "0.0.0.0": "127.0.0.1",
            "host=postgres": "host=127.0.0.1",
        }.items():
            text = text.replace(container, here)
        text = re.sub(r"\b(head|mlflow|bucket|localhost)(?=:\d)", "127.0.0.1", text)
        text = re.sub(r"^/(store|data)$", rf"{self.root}/\1", text)
        return re.sub(r"(?<=[:=])(\d{4,5})\b", lambda m: str(self._ports.get(int(m[1]), m[1])), text)

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service's processes."""
        own = self._services[service].get("environment", {})
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.local),
            "RAY_USAGE_STATS_ENABLED": "0",
            "DROPATTACK_CACHE": str(self.root / "cache"),
            **{name: self.native(str(value)) for name, value in own.items()},
        }

    def client_environment(self) -> dict[str, str]:
        """The environment of a user at this machine who has the cluster's token, and nothing else of it."""
        names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "PATH")
        head = self.environment("head")
        return {name: head[name] for name in names} | {"HOME": str(self.root / "client")}

    def start(self) -> None:
        """Starts all services, each when those it depends on are healthy."""
        self._start_postgres()
        self._mount_secrets("head")
        self._start_when_ready("mlflow")
        self.start_head()
        self.start_worker()

    def start_head(self) -> None:
        """Starts the first node."""
        more = ["--temp-dir", str(self.root / "ray"), f"--dashboard-agent-listen-port={free_port()}"]
        self._start_when_ready("head", more)
        self.wait_until_healthy("head")

    def _start_when_ready(self, service: str, more: Sequence[str] = ()) -> None:
        for needed, condition in self._services[service]["depends_on"].items():
            assert condition == {"condition": "service_healthy"}
            self.wait_until_healthy(needed)
        self.start_service(service, more)

    def start_service(self, service: str, more: Sequence[str] = ()) -> None:
        """Starts one service; ``more`` is what several of them on one machine need to keep apart."""
        command = [self.native(word) for word in self._services[service]["command"]]
        if service == "worker":
            command = [*_elsewhere(self.apart), *command]
        self.spawn(service, [*command, *more], self.environment(service))

    def kill(self, service: str) -> None:
        """Ends a service and all that it has started at once, as a power cut would."""
        process = self._processes.pop(service)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start_worker(self) -> None:
        """Starts the second node."""
        self.start_service("worker", ["--temp-dir", str(self.root / "worker"), "--num-cpus=2"])
        self.wait_until_healthy("worker")

    def wait(self, service: str, until: Callable[[], bool]) -> None:
        """Waits until something holds, as long as a service lives and not too long without a new record."""
        try:
            status = watched(self._processes[service], self.changing, until)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.log(service)}") from None
        assert status is None, self.log(service)

    def log(self, service: str) -> str:
        """What a service has printed."""
        return (self.root / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Ends all services, the last one started first."""
        for process in reversed(self._processes.values()):
            _end(process)

    def _mount_secrets(self, service: str) -> None:
        for secret in self._services[service]["secrets"]:
            if isinstance(secret, dict):
                target = self.root / "home" / Path(secret["target"]).relative_to("/home/dropattack")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.secrets / secret["source"], target)

    def spawn(self, service: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Starts a process as a service of that name."""
        with (self.root / f"{service}.log").open("ab") as log:
            self._processes[service] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.root / "home",
                env=dict(environment),
                start_new_session=True,
            )

    def _start_postgres(self) -> None:
        """Does what the entry point of Postgres's image does with the environment it is given."""
        given = self._services["postgres"]["environment"]
        folder = self.root / "postgres"
        folder.mkdir()
        password = folder / "password"
        shutil.copy(self.native(given["POSTGRES_PASSWORD_FILE"]), password)
        for path in (folder, password):
            shutil.chown(path, "postgres", "postgres")
        data, user = folder / "data", given["POSTGRES_USER"]
        for command in (
            ["initdb", "-D", data, "-U", user, "--pwfile", password, given["POSTGRES_INITDB_ARGS"]],
            ["postgres", "-D", data, "-p", str(self._ports[5432]), "-k", folder, "-h", "127.0.0.1"],
        ):
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
            if "initdb" in command:
                subprocess.run(command, check=True, capture_output=True, cwd=folder)
            else:
                self.spawn("postgres", command, os.environ)
        self.wait_until_healthy("postgres")
        server = f"postgresql://{user}@127.0.0.1:{self._ports[5432]}"
        environment = {**os.environ, "PGPASSWORD": password.read_text(encoding="utf-8")}
        subprocess.run(
            ["createdb", f"--maintenance-db={server}/postgres", given["POSTGRES_DB"]],
            check=True,
            env=environment,
        )

    def wait_until_healthy(self, service: str) -> None:
        """Waits until a service answers."""
        kind, *test = self._services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        command = [self.native(word) for word in test]
        if service in self.answers:
            command = self.answers[service]
        if service == "postgres":
            command.append(f"--port={self._ports[5432]}")

        def healthy() -> bool:
            time.sleep(1)
            asked = subprocess.run(command, capture_output=True, env=self.environment(service), check=False)
            return asked.returncode == 0

        self.wait(service, healthy)


def _elsewhere(apart: Sequence[Path]) -> list[str]:
    """Starts a command as another machine would: with empty folders of its own in place of some."""
    mounts = " && ".join(f"mount -t tmpfs none {folder}" for folder in apart)
    return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a service and what it has started, all of which is in its session."""
    for number, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 20)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def short_folder() -> Path:
    """A folder whose path leaves room for the names of Ray's sockets, and that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="da-"))
    folder.chmod(0o755)
    return folder


def missing() -> str:
    """What this machine lacks to run the services, or nothing."""
    for program in ("initdb", "postgres", "createdb", "pg_isready", "setpriv", "unshare", "wget"):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: postgresql, util-linux, wget)"
    return "" if os.geteuid() == 0 else "needs root, to play two machines and Postgres's own user"
