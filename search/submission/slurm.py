"""A sweep as a SLURM job: a script that makes a Ray cluster of its nodes, and restarts until it is done."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.nodes import fits, too_much
from search.execution.errors import RunError
from trainables.remote.address import Address, is_address

_TIME = re.compile(
    r"(?P<minutes>\d+)(?::(?P<seconds>\d+))?"
    r"|(?P<hours>\d+):(?P<m>\d+):(?P<s>\d+)"
    r"|(?P<days>\d+)-(?P<dh>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?",
    re.ASCII,
)
_UNITS = {"days": 86400, "hours": 3600, "dh": 3600, "minutes": 60, "m": 60, "dm": 60, "seconds": 1, "s": 1}
_MEMORY = re.compile(r"[0-9]+[KMGT]?")
_OF_ONE_NODE = ("/tmp", "/var/tmp", "/dev/shm", "/run")
"""Folders of which each node has its own."""


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What a job asks of SLURM, by the names of sbatch's options.

    Attributes:
        nodes: How many nodes, >= 1.
        time: The longest that one turn of the job may take; see `seconds_of_time`.
        gpus_per_node: How many GPUs of each node.
        cpus_per_node: How many CPUs of each node; 0 for whole nodes.
        mem: Memory of each node; empty for the partition's default, or all of a whole node.
        partition: The partition; empty for the default.
        account: The account; empty for the default.
        more: Further options, each a line such as ``--qos=high``.
        grace: Seconds before the time limit at which trials are saved and the job is queued again.

    Raises:
        UsageError: SLURM could not take a value, or no time is left to train.
    """

    nodes: int
    time: str
    gpus_per_node: int = 0
    cpus_per_node: int = 0
    mem: str = ""
    partition: str = ""
    account: str = ""
    more: Sequence[str] = ()
    grace: int = 300

    def __post_init__(self) -> None:
        for option, value, least in (
            ("--nodes", self.nodes, 1),
            ("--gpus-per-node", self.gpus_per_node, 0),
            ("--cpus-per-task", self.cpus_per_node, 0),
            ("--grace", self.grace, 60),
        ):
            if value < least:
                raise UsageError(f"{option} must be at least {least}, not {value}")
        if seconds_of_time(self.time) <= 2 * self.grace:
            raise UsageError(
                f"--time {self.time} leaves nothing to train in beside the {self.grace} s of --grace; "
                "ask for more, or lower --grace"
            )
        if self.mem and not _MEMORY.fullmatch(self.mem):
            raise UsageError(f"--mem is a number with K, M, G or T, such as 64G, not {self.mem!r}")
        for option, name in (("--partition", self.partition), ("--account", self.account)):
            if name.startswith("-") or re.search(r"[\s\"'\\]", name):
                raise UsageError(f"{option} is a name, not {name!r}")
        for line in self.more:
            if not line.startswith("-") or not line.isprintable():
                raise UsageError(
                    f"--sbatch takes an option of sbatch, such as --sbatch=--qos=high, not {line!r}"
                )

    def lines(self, name: str, log: str) -> list[str]:
        """Sbatch's options, one on each line.

        Args:
            name: The job's.
            log: Its log file; ``%j`` stands for its number.
        """
        whole = not self.cpus_per_node
        asked = {
            "job-name": name,
            "nodes": self.nodes,
            "ntasks-per-node": 1,
            "cpus-per-task": self.cpus_per_node,
            "mem": self.mem or ("0" if whole else ""),
            "gpus-per-node": self.gpus_per_node,
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
            "signal": f"B:USR1@{self.grace}",
            "output": f'"{log}"',
            "open-mode": "append",
        }
        options = [f"--{option}={value}" for option, value in asked.items() if value]
        return [*options, "--requeue", *["--exclusive"] * whole, *self.more]


def seconds_of_time(time: str) -> int:
    """The seconds that a SLURM time means.

    Args:
        time: ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``,
            ``days-hours:minutes`` or ``days-hours:minutes:seconds``.

    Raises:
        UsageError: It is none of these.

    Examples:
        >>> seconds_of_time("8:00:00"), seconds_of_time("90"), seconds_of_time("1-12")
        (28800, 5400, 129600)
    """
    found = _TIME.fullmatch(time)
    if found is None:
        raise UsageError(f"--time {time!r} is no time of SLURM's; write 90 (minutes), 8:00:00 or 1-12:00:00")
    parts = {name: int(value) for name, value in found.groupdict().items() if value is not None}
    return sum(value * _UNITS.get(name, 1) for name, value in parts.items())


def check_fits(sweep: Sweep, allocation: Allocation) -> None:
    """Refuses an allocation whose nodes cannot hold one trial, as far as it states their resources.

    Raises:
        UsageError: No trial would ever start.
    """
    cpus = allocation.cpus_per_node or sweep.resources.cpus
    node = {"CPU": cpus, "GPU": allocation.gpus_per_node}
    if not fits(sweep.resources, node):
        raise UsageError(f"{too_much(sweep.resources, [node])}, or ask for larger nodes")


def shared_folder(option: str, place: str) -> str:
    """A folder as all nodes see it: absolute. A store's address in an object store stays as it is.

    Raises:
        UsageError: Each node has its own folder of that name, or it is no address of a store.
    """
    if is_address(place):
        if option != "--store":
            raise UsageError(f"{option} must be a folder that all nodes share, not an address")
        return str(Address.parse(place))
    path = Path(place).resolve()
    if any(path.is_relative_to(folder) for folder in _OF_ONE_NODE):
        raise UsageError(f"{option} {path} is a folder of one node; name a folder that all nodes share")
    return str(path)


def sbatch_script(
    sweep: Sweep,
    allocation: Allocation,
    run: Sequence[str],
    project: Path,
    python: Sequence[str],
    setup: Sequence[str] = (),
) -> str:
    """The script of a job that runs a sweep, as sbatch takes it.

    Args:
        sweep: What will run.
        allocation: What it runs on.
        run: The command after ``python``, such as ``-m search run demo --store /store``.
        project: The folder in which it runs, the same on all nodes.
        python: The command that starts Python on a node.
        setup: Shell lines that prepare it there.

    Raises:
        UsageError: A line or a word holds what a script cannot.
    """
    for word in (*run, *python, *setup, str(project)):
        if not word.isprintable():
            raise UsageError(f"a script cannot hold {word!r}; write it without control characters")
    log = f"{str(project).replace('%', '%%')}/dropattack-{sweep.name}-%j.log"
    body = (resources.files("search") / "submission" / "allocation.sh").read_text(encoding="utf-8")
    lines = ["#!/bin/bash"]
    lines += [f"#SBATCH {line}" for line in allocation.lines(f"dropattack-{sweep.name}", log)]
    lines += [
        "",
        f"grace={allocation.grace} gpus={allocation.gpus_per_node} driver='' patience=''",
        f"python=({shlex.join(python)})",
        f"run=({shlex.join(run)})",
        "prepare() {",
        f"    cd {shlex.quote(str(project))} || return",
        *(f"    {line}" for line in setup),
        "}",
    ]
    return "\n".join(lines) + "\n" + body


def submit(script: str) -> str:
    """Submits a script with sbatch; returns sbatch's line on the job.

    Raises:
        UsageError: This machine has no sbatch.
        RunError: It refuses the script.
    """
    if shutil.which("sbatch") is None:
        raise UsageError("--submit needs sbatch, which is not here; log in to a node of the cluster")
    done = subprocess.run(["sbatch"], input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"sbatch refused the job: {' '.join(done.stderr.split()) or 'no reason given'}")
    return done.stdout.strip()
