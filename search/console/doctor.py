"""Checks that this machine has what runs need, and says what to do if it lacks something. Starts nothing."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from search.console.command import refusals
from search.console.options import DATA, STORE, DataOption, JsonOption, StoreOption

OK, NOTE, WRONG = "ok", "note", "wrong"
_MARKS = {OK: "ok   ", NOTE: "note ", WRONG: "WRONG"}
_LEAST_BYTES, _FEW_BYTES = 200 * 2**20, 5 * 2**30
"""Free disk below which no run should begin, and below which models and checkpoints may not fit."""
_NMS = "operator torchvision::nms does not exist"
_TORCHVISION_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: Such as ``torch``.
        state: ``ok``; ``note`` for what runs can do without; ``wrong`` for what they need.
        text: What was found.
        advice: What to do; empty if it is ok.
    """

    name: str
    state: str
    text: str
    advice: str = ""


def look(store: Path, data: Path) -> Iterator[Finding]:
    """Looks at everything, the cheapest first.

    Args:
        store: Where records would be kept.
        data: The data root.
    """
    yield python_finding(sys.version_info[:2])
    yield from package_findings(importlib.metadata.version, _requirements())
    yield from torch_findings(_torch_facts())
    yield store_finding(store)
    yield data_finding(data)


def python_finding(version: tuple[int, ...]) -> Finding:
    """Whether Python is new enough."""
    text = f"{'.'.join(map(str, version))} at {sys.executable}, {os.cpu_count()} cores"
    if version >= (3, 11):
        return Finding("Python", OK, text)
    return Finding("Python", WRONG, text, "install Python 3.11 or newer, and dropattack in its environment")


def package_findings(version_of: Callable[[str], str], requirements: Iterable[str]) -> Iterator[Finding]:
    """The packages that every run needs, and each required one that is missing or has another version.

    Args:
        version_of: The installed version of a package; raises `importlib.metadata.PackageNotFoundError`.
        requirements: Such as ``ray[default,tune]>=2.50,<3``; those of extras are left out.
    """
    for requirement in requirements:
        found = re.match(r"([\w.-]+)(\[[^]]*\])?([^;]*)(;.*)?$", requirement.replace(" ", ""))
        if found is None or found[4]:
            continue
        name, bounds = found[1], found[3]
        advice = f'pip install "{name}{found[2] or ""}{bounds}"'
        try:
            version = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, WRONG, "is not installed", advice)
            continue
        if not _within(version, bounds):
            yield Finding(name, WRONG, f"{version} is installed, and {bounds} is needed", advice)
        elif name in ("ray", "optuna", "mlflow"):
            yield Finding(name, OK, version)


def torch_findings(facts: dict[str, Any]) -> Iterator[Finding]:
    """What torch is, which GPUs it sees, and whether torchvision can be imported beside it.

    Args:
        facts: ``torch`` (its version, or nothing), ``error``, ``cuda`` (its build's CUDA, or nothing),
            ``gpus`` (names that torch sees), ``there`` (names that the driver sees) and ``torchvision`` (the
            error of importing it, or nothing).
    """
    if not facts["torch"]:
        advice = "pip install --force-reinstall torch"
        yield Finding("torch", WRONG, f"cannot be imported: {facts['error']}", advice)
        return
    build = f"for CUDA {facts['cuda']}" if facts["cuda"] else "for the CPU"
    yield Finding("torch", OK, f"{facts['torch']}, {build}")
    if facts["gpus"]:
        yield Finding("GPU", OK, ", ".join(facts["gpus"]))
    elif not facts["there"]:
        yield Finding("GPU", NOTE, "none", "trials train on the CPU; leave out resources.gpus")
    elif not facts["cuda"]:
        yield Finding(
            "GPU",
            NOTE,
            f"{', '.join(facts['there'])}, which this torch cannot use",
            "install a torch that is built for CUDA: https://pytorch.org/get-started/locally",
        )
    else:
        advice = "check CUDA_VISIBLE_DEVICES, and that the driver (nvidia-smi) is as new as that CUDA"
        yield Finding("GPU", NOTE, f"{', '.join(facts['there'])}, which torch does not see", advice)
    failure = facts["torchvision"]
    if not failure:
        yield Finding("torchvision", OK, "can be imported beside this torch")
    elif _NMS in failure:
        yield Finding(
            "torchvision",
            NOTE,
            f"is of another build than torch ({_NMS})",
            "dropattack works around that; for other programs, install both from one index: "
            "pip install --force-reinstall torch torchvision --index-url "
            f"https://download.pytorch.org/whl/{_index(facts['cuda'])}",
        )
    else:
        advice = (
            "install the torchvision that belongs to this torch: pip install --force-reinstall torchvision"
        )
        yield Finding("torchvision", WRONG, f"cannot be imported: {failure}", advice)


def store_finding(store: Path) -> Finding:
    """Whether records can be written, and how much disk is free for them."""
    from search.records.mirrored import name_of
    from trainables.remote.mirror import mirror_of

    there = next(path for path in (store.absolute(), *store.absolute().parents) if path.exists())
    name = f"store {name_of(store)}"
    if mirror_of(store) is not None:
        return _reached(store, name)
    if not there.is_dir():
        return Finding(name, WRONG, f"{there} is a file", "name a folder with --store")
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, WRONG, "cannot be written", "name another folder with --store")
    free = shutil.disk_usage(there).free
    text = f"{free / 2**30:,.1f} GiB free"
    if free < _LEAST_BYTES:
        return Finding(name, WRONG, text, "free some disk, or name a folder elsewhere with --store")
    if free < _FEW_BYTES:
        advice = "each complete trial keeps a model: 0.2 MiB for LeNet-5, 130 MiB for VGG-16"
        return Finding(name, NOTE, text, advice)
    return Finding(name, OK, text)


def _reached(store: Path, name: str) -> Finding:
    """Whether the store at an address can be read."""
    from dropattack import UsageError
    from search.records.store import Store

    try:
        return Finding(name, OK, f"can be read; sweeps: {len(Store(store).sweeps())}")
    except UsageError as error:
        return Finding(name, WRONG, str(error), "mend that, or name another store with --store")


def data_finding(data: Path) -> Finding:
    """Which datasets are below the data root; those that come with scikit-learn need no files there."""
    from trainables.datasets.found import datasets_below

    found = datasets_below(data)
    there = [name for name, is_there in found.items() if is_there]
    text = f"{', '.join(there) or 'no dataset'} found, beside the bundled ones"
    if missing := [name for name, is_there in found.items() if not is_there]:
        fetch = f"`dropattack data fetch NAME --data {data}` gets one of {', '.join(missing)}"
        return Finding(f"data {data}", OK if there else NOTE, text, "" if there else fetch)
    return Finding(f"data {data}", OK, text)


def doctor(store: StoreOption = STORE, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Check that this machine has what runs need, and say what to do if not. Starts nothing.

    Exit status 0: runs have all that they need; 1: something is missing.
    """
    with refusals():
        found = []
        for finding in look(store, data):
            found.append(finding)
            if not as_json:
                print(f"{_MARKS[finding.state]}  {finding.name}: {finding.text}", flush=True)
                if finding.advice:
                    print(f"       {finding.advice}", flush=True)
        wrong = [finding for finding in found if finding.state == WRONG]
        if as_json:
            print(json.dumps([asdict(finding) for finding in found], indent=2))
        elif not wrong:
            print("runs have all that they need; begin with `dropattack run demo`")
        if wrong:
            raise typer.Exit(1)


def _torch_facts() -> dict[str, Any]:
    """See `torch_findings`; torchvision is tried in a process of its own, meanwhile."""
    from search.records.provenance import gpu_facts

    command = [sys.executable, "-c", "import torchvision"]
    trying = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    facts: dict[str, Any] = {"torch": "", "error": "", "cuda": "", "gpus": [], "there": gpu_facts("name")}
    try:
        import torch

        facts |= {"torch": str(torch.__version__), "cuda": torch.version.cuda or ""}
        seen = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
        facts["gpus"] = [torch.cuda.get_device_name(number) for number in seen]
    except Exception as error:
        facts["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        said = trying.communicate(timeout=_TORCHVISION_SECONDS)[1].strip().splitlines()
    except subprocess.TimeoutExpired:
        trying.kill()
        said = [f"it takes more than {_TORCHVISION_SECONDS} s"]
    return facts | {"torchvision": said[-1] if trying.returncode and said else ""}


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("dropattack") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _within(version: str, bounds: str) -> bool:
    """Whether a version keeps to bounds such as ``>=2.50,<3``, by its numbers alone.

    Examples:
        >>> _within("2.60.0", ">=2.50,<3"), _within("3.0", ">=2.50,<3"), _within("0.6.0", "==0.6.0")
        (True, False, True)
    """
    ways: dict[str, Callable[[list[int], list[int]], bool]] = {
        ">=": lambda own, other: own >= other,
        "<=": lambda own, other: own <= other,
        "==": lambda own, other: own == other,
        "!=": lambda own, other: own != other,
        ">": lambda own, other: own > other,
        "<": lambda own, other: own < other,
    }
    for bound in filter(None, bounds.split(",")):
        found = re.fullmatch(r"(>=|<=|==|!=|>|<)([\d.]+).*", bound)
        if found is None:
            continue
        own, other = _numbers(version), _numbers(found[2])
        length = max(len(own), len(other))
        padded = [numbers + [0] * (length - len(numbers)) for numbers in (own, other)]
        if not ways[found[1]](*padded):
            return False
    return True


def _numbers(version: str) -> list[int]:
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found[0].split(".")] if found else []


def _index(cuda: str) -> str:
    return f"cu{cuda.replace('.', '')}" if cuda else "cpu"
