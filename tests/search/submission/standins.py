"""Stand-ins for SLURM's commands and, where a test wants none of Ray, for the Python that a job starts."""

import os
import subprocess
import time
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

_COMMANDS = {
    # Runs the words after the options here, as one node.
    "srun": 'while [[ "$1" == -* ]]; do shift; done; exec "$@"',
    "scontrol": """
case $1 in
    show) echo 127.0.0.1; [ -n "$ALONE" ] || echo 127.0.0.1 ;;
    requeue) echo "$2" >>"$ROOT/requeued" ;;
esac""",
    "sbatch": """
[ ! -e "$ROOT/refuses" ] || { echo "sbatch: error: no such partition" >&2; exit 1; }
cat >"$ROOT/submitted"; echo Submitted batch job 7""",
}
_PYTHON = """
[ "$READY" = yes ] || exit 9
case "$*" in
    *ray.scripts.scripts*) echo $BASHPID >>"$ROOT/nodes"; [ "$RAY_AUTH_TOKEN" ] && exec sleep 1000 ;;
    *search.submission.joining*)
        until [ "$(wc -l <"$ROOT/nodes")" = 2 ]; do sleep 0.05; done
        [ ! -e "$ROOT/unjoined" ] ;;
    -c*) echo 127.0.0.1 ;;
    *)
        [ -e "$ROOT/loading" ] || trap 'exit "$(cat "$ROOT/ending")"' USR1
        { printf '%s\\0' "$@"; printf '\\n'; } >>"$ROOT/runs"
        [ ! -e "$ROOT/notice" ] || while :; do sleep 0.05; done
        exit "$(cat "$ROOT/ending")" ;;
esac"""


class Slurm:
    """A machine with SLURM's commands and a node's Python, all of bash.

    Args:
        root: A folder for what they note.
        python: Whether Python is a stand-in too.

    Attributes:
        job: The number of the job.
    """

    def __init__(self, root: Path, python: bool = True) -> None:
        self.root = root
        self.job = os.getpid()
        (root / "bin").mkdir()
        for name, body in {**_COMMANDS, **({"python": _PYTHON} if python else {})}.items():
            path = root / "bin" / name
            path.write_text(f"#!/bin/bash\nROOT={root}\n{body}\n", encoding="utf-8")
            path.chmod(0o755)
        self.ends_with(0)

    @property
    def path(self) -> str:
        """``PATH`` with the stand-ins in front."""
        return f"{self.root / 'bin'}:{os.environ['PATH']}"

    def ends_with(
        self, status: int, after_notice: bool = False, joined: bool = True, loading: bool = False
    ) -> None:
        """Says how the next run ends, whether it waits for a notice, and whether all nodes join.

        While it is loading, it does not listen to signals yet.
        """
        (self.root / "ending").write_text(str(status), encoding="utf-8")
        for name, there in (("notice", after_notice), ("unjoined", not joined), ("loading", loading)):
            (self.root / name).touch() if there else (self.root / name).unlink(missing_ok=True)

    def run(self, script: str) -> "subprocess.Popen[bytes]":
        """Starts a job's script, as SLURM does on the first node."""
        path = self.root / "job.sh"
        path.write_text(script, encoding="utf-8")
        (self.root / "nodes").write_text("", encoding="utf-8")
        (self.root / "runs").unlink(missing_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "PATH": self.path,
            "SLURM_JOB_ID": str(self.job),
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_CPUS_ON_NODE": "1",
        }
        with (self.root / "log").open("ab") as log:
            return subprocess.Popen(
                ["bash", path], env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def await_run(self) -> None:
        """Waits until the job's run has begun."""
        since = time.monotonic()
        while not (self.root / "runs").exists():
            assert time.monotonic() - since < PATIENCE_SECONDS, self.log()
            time.sleep(0.02)

    def runs(self) -> list[list[str]]:
        """The words of every run of the last job."""
        path = self.root / "runs"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line.split("\0")[:-1] for line in lines]

    def living(self) -> list[int]:
        """Processes of nodes that are still there."""
        started = [int(line) for line in (self.root / "nodes").read_text(encoding="utf-8").split()]
        return [process for process in started if Path(f"/proc/{process}").exists()]

    def requeued(self) -> int:
        """How often the job was requeued."""
        path = self.root / "requeued"
        return len(path.read_text(encoding="utf-8").split()) if path.exists() else 0

    def log(self) -> str:
        """What the job has printed."""
        return (self.root / "log").read_text(encoding="utf-8")

    def submitted(self) -> str:
        """What sbatch was given."""
        return (self.root / "submitted").read_text(encoding="utf-8")

    def refuses(self) -> None:
        """From now on sbatch refuses jobs."""
        (self.root / "refuses").touch()
