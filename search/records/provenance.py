"""Where records come from: the command, code, machine and libraries of each run of a sweep."""

import os
import platform
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from search.definition.notify import KEY
from search.definition.sweep import Sweep
from search.records.redaction import takes_a_secret, without_credentials

CLIENT_CODE = "DROPATTACK_CLIENT_CODE"
"""Environment variable in which `dropattack submit` names a job's commit; what it uploads has none."""

_PACKAGES = ("dropattack", "ray", "optuna", "mlflow")
_ADDRESS = re.compile(rf"^((?:--set=)?{KEY}(?:\.\w+)?=).*", re.DOTALL)
_PATIENCE_SECONDS = 3.0
_MOST = 1000
"""Entries that a sweep keeps; beyond them the oldest go."""


def versions() -> dict[str, str]:
    """Versions by name as they are now, Python's among them.

    Torch's is that of its build, ``2.13.0+cpu`` or ``2.13.0+cu130``, each of which rounds in its own way; the
    distribution's metadata may leave the build out.
    """
    import torch

    numbers = {name: version(name) for name in _PACKAGES}
    return numbers | {"torch": str(torch.__version__), "python": platform.python_version()}


@dataclass(frozen=True)
class Provenance:
    """Where the results of a run come from; "" stands for what cannot be found out.

    Attributes:
        command: What was typed, without passwords and the name of the home folder.
        commit: Commit of the git repository that holds the code.
        tree: ``clean``, or ``changed`` where a file that git tracks differs from the commit.
        host: Name of the machine that the sweep runs from.
        cpu: Model of its processor.
        cores: How many cores of it the process may use.
        gpus: Names of its GPUs, such as ``2 × NVIDIA H100 80GB HBM3``.
        versions: Versions of the libraries by name.
    """

    command: str = ""
    commit: str = ""
    tree: str = ""
    host: str = ""
    cpu: str = ""
    cores: str = ""
    gpus: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, str]:
        """All fields except the versions, by name."""
        return {name: str(value) for name, value in vars(self).items() if name != "versions"}

    @property
    def machine(self) -> tuple[str, ...]:
        """The hardware and the libraries; what trained with the same may be expected to train again."""
        libraries = (f"{name} {number}" for name, number in sorted(self.versions.items()))
        return self.host, self.cpu, self.gpus, *libraries


@dataclass(frozen=True)
class Run:
    """A run of a sweep, or several that differ in nothing but their time.

    Attributes:
        of: The provenance of their results.
        first: When the first one started, as ISO 8601 in UTC; "" where nobody noted it.
        last: When the last one did.
        times: How many there were; 0 stands for those that nobody noted.
    """

    of: Provenance
    first: str = ""
    last: str = ""
    times: int = 1


def noted(runs: Sequence[Run], of: Provenance, at: str) -> list[Run]:
    """The runs of a sweep with one more, which is the last of the list.

    Args:
        runs: Those before.
        of: Where the results of the new one come from.
        at: When it started.
    """
    same = next((run for run in runs if run.of == of), Run(of, at, at, 0))
    others = [run for run in runs if run.of != of]
    return [*others, Run(of, same.first, at, same.times + 1)][-_MOST:]


def provenance(sweep: Sweep) -> Provenance:
    """Where the results of a run of this process come from; takes seconds at most, and never fails."""
    commit, _, tree = os.environ.get(CLIENT_CODE, "").partition(" ")
    if not commit:
        commit, tree = code_state(_code_folder(sweep))
    return Provenance(
        command=command_line(sys.argv),
        commit=commit,
        tree=tree,
        host=platform.node(),
        cpu=cpu_model(),
        cores=str(_cores()),
        gpus=_gpu_names(),
        versions=versions(),
    )


def code_state(folder: Path) -> tuple[str, str]:
    """Commit and tree, as `Provenance` has them, of the repository that a folder is in; "" outside of one."""
    git = ("git", "-C", str(folder), "-c", "core.fsmonitor=false")
    commit = _answer(*git, "rev-parse", "HEAD")
    changes = _answer(*git, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit or "", "" if changes is None else "changed" if changes else "clean"


def command_line(arguments: Sequence[str]) -> str:
    """The command line of a process, which people can read and a shell can run again.

    Passwords and the address of ``notify`` are left out, and the home folder is ``~`` or ``$HOME``.

    Examples:
        >>> command_line(["/opt/bin/dropattack", "run", "demo", "--tracking-uri", "http://ann:secret@host"])
        'dropattack run demo --tracking-uri http://host'
    """
    program = Path(next(iter(arguments), "") or "python")
    start = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    home = os.path.expanduser("~").rstrip("/")  # noqa: PTH111  Path.home() may raise
    return " ".join(_word(word, home) for word in [*start, *_without_secrets(arguments[1:])])


def _without_secrets(words: Sequence[str]) -> list[str]:
    before = ["", *words]
    return [
        "***" if takes_a_secret(option) else without_credentials(_ADDRESS.sub(r"\1***", word))
        for option, word in zip(before, words, strict=False)
    ]


def _word(word: str, home: str) -> str:
    """A word for a shell, which knows ``~`` at the start alone and ``$HOME`` not within single quotes."""
    parts = re.split(rf"{re.escape(home)}(?![\w.-])", word) if home else [word]
    if len(parts) == 1:
        return shlex.quote(word)
    first, *others = (shlex.quote(part) if part else "" for part in parts)
    at_start = not first and re.match(r"/|$", parts[1])
    if at_start and len(parts) == 2:
        return f"~{'/' * bool(parts[1])}{shlex.quote(parts[1][1:]) if parts[1][1:] else ''}"
    return '"$HOME"'.join([first, *others])


def cpu_model() -> str:
    """Model of this machine's processor, or its architecture where the system does not name the model."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def gpu_facts(field: str) -> list[str]:
    """What this machine's GPUs say of one field of ``nvidia-smi``, such as ``name``; nothing without any."""
    answer = _answer("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits") or ""
    return [line.strip() for line in answer.splitlines() if line.strip()]


def _gpu_names() -> str:
    counted = Counter(gpu_facts("name"))
    return ", ".join(f"{number} × {name}" for name, number in sorted(counted.items()))


def _code_folder(sweep: Sweep) -> Path:
    """Where the first workload of one's own is defined; the current folder where the sweep has none."""
    modules = [sys.modules.get(name.partition(":")[0]) for name in sweep.workloads if ":" in name]
    files = [file for module in modules if (file := getattr(module, "__file__", None))]
    return Path(files[0]).parent if files else Path()


def _answer(*command: str) -> str | None:
    """A program's output; empty if the program is missing, fails, or takes too long."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    inherited = {name: value for name, value in os.environ.items() if name not in elsewhere}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            env=inherited | {"GIT_OPTIONAL_LOCKS": "0"},
            timeout=_PATIENCE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
