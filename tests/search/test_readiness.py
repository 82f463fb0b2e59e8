"""`plan` and `run` make one check: what one refuses the other refuses, in the same line."""

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from dropattack import UsageError
from search.definition.sweepfile import load_sweep
from search.engine import nodes
from search.engine.engine import Engine
from search.engine.plan import plan_sweep
from search.engine.readiness import check_address
from search.execution import tuning
from search.records.store import Store
from search.service import run_sweep
from tests.search.journals import resealed
from tests.search.simulation import Driver, engine, sweep
from trainables.trial import TRAINING_VERSION
from trainables.workloads import workload_named

BASE: dict[str, Any] = {
    "name": "mutated",
    "workload": "digits-lenet5",
    "training": {"epochs": 2, "train_size": 100},
    "seeds": [0, 1],
    "stages": [
        {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1], "p": [0.5]}}},
        {
            "name": "draw",
            "search": {"kind": "random", "trials": 2},
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 1}}},
        },
        {"name": "confirm", "search": {"kind": "confirm", "seeds": [7]}},
    ],
}
"""Recorded in the store under this name, so that some mutations mix what does not belong together."""

ODD = [None, -1, 0, 1.5, 10**9, "", "none", "sam", [], [1, 2], {}, True, ".5", [0.1, 1, 5], "x" * 50]
ODD += [{"low": 0, "high": 1, "step": 0.3}, {"low": 1, "high": 0.1}, {"low": 0.1, "high": 1, "step": 0.1}]
ODD += [{"subsets_of": ["input", "conv1.w", "nowhere"]}, {"subsets_of": ["input", "conv1.w"], "up_to": 9}]
KEYS = [
    "epsilon",
    "targets",
    "k",
    "epochs",
    "train_size",
    "name",
    "budget",
    "resources",
    "workload",
    "limits",
]
SOUND: list[tuple[tuple[Any, ...], Any]] = [
    (("name",), "other"),
    (("workload",), "mnist-lenet5"),
    (("training", "epochs"), 3),
    (("training", "train_size"), 10_000),
    (("seeds",), [0, 1, 2]),
    (("seeds",), [1]),
    (("stages", 0, "methods", "sam"), {"rho": [0.05, 0.1]}),
    (("stages", 0, "methods", "dropattack", "epsilon"), [0.1, 1, 5]),
    (("stages", 0, "budget"), "passes"),
    (("stages", 1, "search", "trials"), 5),
    (("stages", 1, "methods", "dropattack", "epsilon", "high"), 2),
    (("stages", 2, "search", "seeds"), [7, 8]),
    (("resources",), {"cpus": 0.5}),
    (("limits",), {"trials": 3}),
]
"""Changes that a definition may have, and the records or the data may not."""


class WouldStartError(UsageError):
    """The run went past every check; to the store it is a cluster that cannot be joined."""


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def mutated(generator: random.Random) -> dict[str, Any]:
    """The base with one or two values changed, left out, or added."""
    raw = copy.deepcopy(BASE)
    if generator.random() < 0.5:
        for (*parents, last), value in generator.sample(SOUND, 2):
            node = raw
            for key in parents:
                node = node[key]
            node[last] = value
        return raw
    for _ in range(generator.choice([1, 1, 2])):
        *parents, last = generator.choice([path for path in places(raw) if path])
        node = raw
        for key in parents:
            node = node[key]
        choice = generator.random()
        if choice < 0.15:
            del node[last]
        elif choice < 0.4 and isinstance(node, dict):
            node[generator.choice(KEYS)] = generator.choice(ODD)
        else:
            node[last] = generator.choice(ODD)
    return raw


@pytest.fixture
def never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(verbose: bool) -> None:
        raise WouldStartError

    monkeypatch.setattr(tuning, "connect", start)
    monkeypatch.setattr(Engine, "left", True)  # also where all is trained: a run would bring MLflow up to it


def verdicts(source: Path, store: Path, data: Path) -> tuple[str, str]:
    """What `plan` and `run` say of a sweep file; nothing where they would go on."""
    told = []
    for act in (
        lambda definition: plan_sweep(definition, Store(store), data),
        lambda definition: run_sweep(definition, Store(store), data, Console(quiet=True)),
    ):
        try:
            act(load_sweep(str(source)))
        except WouldStartError:
            told.append("")
        except UsageError as error:
            told.append(str(error))
        else:
            told.append("")
    return told[0], told[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def recorded(store: Path, source: Path) -> None:
    source.write_text(yaml.safe_dump(BASE))
    definition = load_sweep(str(source))
    checksum = workload_named("digits-lenet5").checksum(store)
    folder = Store(store).folder("mutated")
    driven = engine(folder, definition)
    for part in driven._parts:
        vars(part.scope)["checksum"] = lambda workload, options: checksum
    Driver(driven).run()
    Store(store).define(definition)


@pytest.mark.slow
@pytest.mark.usefixtures("never_started")
def test_plan_and_run_agree_on_mutated_sweeps(tmp_path: Path) -> None:
    generator, source, refused = random.Random(0), tmp_path / "sweep.yaml", 0
    empty, full = tmp_path / "empty", tmp_path / "full"
    recorded(full, source)
    before = contents(full)
    for number in range(300):
        raw = mutated(generator)
        source.write_text(yaml.safe_dump(raw))
        for store in (empty, full):
            planned, ran = verdicts(source, store, tmp_path)
            assert planned == ran, f"number {number}: {json.dumps(raw)}"
            assert "\n" not in planned
            refused += bool(planned)
        assert not empty.exists(), f"number {number} left something behind: {json.dumps(raw)}"
    assert {name: text for name, text in contents(full).items() if "lock" not in name} == before
    assert 200 < refused < 550


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://host", "must begin with one of http:"),
        ("host:5000", "must begin with one of http:"),
        ("http://", "names no host"),
        ("ftp://ann:secret@host", r"'ftp://host'"),
    ],
)
@pytest.mark.usefixtures("never_started")
def test_an_address_that_mlflow_could_never_have_is_refused(
    tmp_path: Path, address: str, message: str
) -> None:
    for act in (
        lambda: plan_sweep(sweep(), Store(tmp_path / "runs"), tmp_path, address),
        lambda: run_sweep(sweep(), Store(tmp_path / "runs"), tmp_path, Console(quiet=True), address),
    ):
        with pytest.raises(UsageError, match=message):
            act()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "address", ["", "http://host:5000", "sqlite:///a.db", "postgresql+psycopg://u:p@h/db", "file:///tmp/x"]
)
def test_addresses_that_mlflow_knows_are_taken(address: str) -> None:
    check_address(address)


@pytest.mark.usefixtures("never_started")
def test_records_of_another_training_are_refused_by_a_plan_too(tmp_path: Path) -> None:
    source = tmp_path / "sweep.yaml"
    recorded(tmp_path / "runs", source)
    journal = Store(tmp_path / "runs").journal_path("mutated")
    now, before = f'"version":{TRAINING_VERSION}'.encode(), b'"version":1'
    journal.write_bytes(resealed(journal.read_bytes(), lambda content: content.replace(now, before)))
    planned, ran = verdicts(source, tmp_path / "runs", tmp_path)
    assert planned == ran
    assert f"what a training computes (version 1, now {TRAINING_VERSION})" in planned


@pytest.mark.usefixtures("never_started")
def test_a_store_that_is_a_file_and_a_machine_that_is_too_small_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = tmp_path / "sweep.yaml"
    source.write_text(yaml.safe_dump(BASE))
    planned, _ = verdicts(source, tmp_path / "file" / "runs", tmp_path)
    assert "is a file; name another --store" in planned
    source.write_text(yaml.safe_dump({**BASE, "resources": {"cpus": 4096}}))
    planned, ran = verdicts(source, tmp_path / "runs", tmp_path)
    assert planned == ran
    assert "a trial needs 4096 CPUs, and no node has them" in planned


@pytest.mark.usefixtures("never_started")
@pytest.mark.parametrize(
    ("gpus", "built", "message"),
    [
        (1, False, "is built without CUDA"),
        ("auto", False, "is built without CUDA"),
        (0.5, False, "is built without CUDA"),
        (0.05, True, "gpus: 0.05 of 16 GiB .* the smallest share is 0.08"),
        (0.07, True, "the smallest share is 0.08"),
        (2, True, "gpus: 2 would leave GPUs idle, since a trial trains on one; set 1"),
        (4.0, False, "gpus: 4 would leave GPUs idle"),
    ],
)
def test_gpus_that_trials_could_not_train_on_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: float | str, built: bool, message: str
) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(nodes, "gpu_facts", {"memory.total": ["8192", "16384", "[N/A]"]}.__getitem__)
    source = tmp_path / "sweep.yaml"
    source.write_text(yaml.safe_dump({**BASE, "resources": {"gpus": gpus}}))
    planned, ran = verdicts(source, tmp_path / "runs", tmp_path)
    assert planned == ran
    assert re.search(message, planned)


@pytest.mark.usefixtures("never_started")
def test_a_machine_with_a_gpu_that_is_large_enough_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(nodes, "gpu_facts", {"memory.total": ["16384"]}.__getitem__)
    source = tmp_path / "sweep.yaml"
    source.write_text(yaml.safe_dump({**BASE, "resources": {"gpus": 0.08}}))
    assert plan_sweep(load_sweep(str(source)), Store(tmp_path / "runs"), tmp_path).stages
