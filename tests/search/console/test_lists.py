"""The lists of what a sweep may name: a line each on a narrow terminal, one in full, and all for programs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result

from dropattack import registered
from search.console.columns import cut, first_sentence
from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep
from search.records.store import Store
from tests.search.simulation import sweep
from trainables.workloads import workload_named, workloads

Command = Callable[..., Result]
LISTS: dict[str, Callable[[], list[str]]] = {
    "sweeps": bundled_sweeps,
    "workloads": lambda: list(workloads()),
    "methods": lambda: list(registered()),
}


@pytest.mark.parametrize("name", LISTS)
def test_each_has_a_line_and_one_to_begin_with(command: Command, name: str) -> None:
    lines = command(name).stdout.splitlines()
    listed = [line[3:].split()[0] for line in lines if line.startswith(("*  ", "   "))]
    assert sorted(listed) == sorted(LISTS[name]())
    assert max(map(len, lines)) <= 100
    (first,) = [line for line in lines if line.startswith("*  ")]
    assert lines[0] == first, "where to begin comes first"
    recommended = [each["name"] for each in json.loads(command(name, "--json").stdout) if each["recommended"]]
    assert recommended == [first.split()[1]]


@pytest.mark.parametrize("name", LISTS)
def test_each_is_shown_in_full(command: Command, name: str) -> None:
    for each in LISTS[name]():
        said = command(name, each)
        assert said.exit_code == 0
        assert each in said.stdout
        assert max(map(len, said.stdout.splitlines())) <= 100
    refused = command(name, "nothing-of-that-name")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"dropattack: unknown {name[:-1]} 'nothing-of-that-name'")


@pytest.mark.parametrize("name", ["workloads", "methods"])
def test_programs_get_one_or_all(command: Command, name: str) -> None:
    listed = json.loads(command(name, "--json").stdout)
    assert sorted(each["name"] for each in listed) == sorted(LISTS[name]())
    assert json.loads(command(name, listed[3]["name"], "--json").stdout) == listed[3]


def test_a_method_has_its_equation(command: Command) -> None:
    shown = " ".join(command("methods", "trades").stdout.split())
    assert "∇[L(f(x), y) + β KL(f(x) ‖ f(x′))]" in shown
    assert json.loads(command("methods", "trades", "--json").stdout)["equation"].startswith("∇[L(f(x), y)")


def test_a_method_has_its_declared_ranges(command: Command) -> None:
    found = json.loads(command("methods", "dropattack", "--json").stdout)
    by_name = {each["name"]: each for each in found["hyperparameters"]}
    assert (by_name["p"]["default"], by_name["p"]["low"], by_name["p"]["high"]) == (0.5, 0, 1)
    assert by_name["epsilon"]["high"] is None
    assert by_name["combine"]["choices"] == ["sum", "mean"]
    shown = command("methods", "dropattack").stdout
    assert all(f"  {name} " in shown for name in by_name)


def test_a_workload_has_its_targets_metrics_and_recipe(command: Command) -> None:
    found = json.loads(command("workloads", "cifar10-resnet18", "--json").stdout)
    own = workload_named("cifar10-resnet18")
    assert found["targets"] == own.target_names()
    assert found["training"] == own.training.to_dict()
    shown = command("workloads", "cifar10-resnet18").stdout
    assert "optimizer sgd" in shown
    assert "schedule cosine" in shown
    assert "gamma" not in shown, "what is as usual is not told"


def test_a_sweep_is_shown_from_wherever_it_is(command: Command, tmp_path: Path) -> None:
    """Bundled, in a file, or on record alone; and its JSON is a sweep file."""
    Store(tmp_path / "runs").define(sweep(name="mine"))
    Path("file.yaml").write_text(command("sweeps", "mine", "--json").stdout, encoding="utf-8")
    assert load_sweep("file.yaml") == sweep(name="mine")
    for name in ("mine", "file.yaml", "demo"):
        said = command("sweeps", name)
        assert said.exit_code == 0
        assert "baseline: grid: standard" in said.stdout
        assert f"`dropattack run {name}`" in said.stdout
    assert "beside equal-passes" in command("sweeps", "demo").stdout
    listed = {each["name"]: each for each in json.loads(command("sweeps", "--json").stdout)}
    assert (listed["mine"]["bundled"], listed["mine"]["recorded"]) == (False, True)
    assert (listed["demo"]["bundled"], listed["demo"]["recorded"]) == (True, False)
    assert "1 sweep run in this store" in command("sweeps").stdout


def test_targets_for_programs(command: Command) -> None:
    found = json.loads(command("targets", "digits-lenet5", "--json").stdout)
    assert [each["target"] for each in found] == workload_named("digits-lenet5").target_names()
    assert found[0] == {
        **{"target": "input", "parameter": None, "shape": None},
        **{"depth": 0, "size": None, "initial_norm": None},
    }
    conv = found[1]
    assert (conv["shape"], conv["size"], conv["depth"]) == ([6, 1, 5, 5], 150, 1)
    assert conv["initial_norm"] > 0


def test_the_version_is_that_of_the_package(command: Command) -> None:
    said = command("--version")
    assert (said.exit_code, said.stdout) == (0, f"dropattack {version('dropattack')}\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_json_is_json_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    command = [sys.executable, "-m", "search", "methods", "--json"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, check=True)
    found = json.loads(done.stdout.decode(encoding))
    assert any("ε" in each["doc"] for method in found for each in method["hyperparameters"])


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("one two", 7, "one two"), ("one two", 6, "one…"), ("one, two", 6, "one…"), ("onetwo", 4, "one…")],
)
def test_a_line_is_cut_between_words(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert len(shown) <= width


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Is it? It is.", "Is it?"),
        ("Under .05 to .3, p. 3. More.", "Under .05 to .3, p. 3."),
        ("No end", "No end"),
        ("Over\n  lines. B.", "Over lines."),
        ("", ""),
    ],
)
def test_a_first_sentence_ends_where_the_next_begins(text: str, first: str) -> None:
    assert first_sentence(text) == first
