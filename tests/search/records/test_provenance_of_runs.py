"""Where a run came from: found out from real repositories and programs, noted once, and never in the way."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.document import Table
from analysis.sections import budget, overview
from analysis.sections.trained import origin
from search.definition.sweep import Sweep
from search.records import provenance as tested
from search.records.provenance import (
    CLIENT_CODE,
    Provenance,
    Run,
    code_state,
    command_line,
    noted,
    provenance,
    versions,
)
from search.records.store import Store
from tests.analysis import synthetic
from tests.search.simulation import sweep


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets programs answer on a busy machine."""
    monkeypatch.setattr(tested, "_PATIENCE_SECONDS", 300.0)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one commit, with a folder in it."""
    folder = tmp_path / "repository"
    (folder / "inside").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "tracked.py").write_text("a = 1\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    """Puts a program into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs are found before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_commit_is_named_with_whether_tracked_files_differ_from_it(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert code_state(repository / "inside") == (commit, "clean")
    (repository / "runs.log").write_text("what a run leaves is no change of the code", encoding="utf-8")
    assert code_state(repository) == (commit, "clean")
    (repository / "tracked.py").write_text("a = 2\n", encoding="utf-8")
    assert code_state(repository / "inside") == (commit, "changed")
    git(repository, "commit", "--quiet", "--all", "--message", "second")
    assert code_state(repository) == (git(repository, "rev-parse", "HEAD"), "clean")


def test_looking_does_not_touch_the_repository(repository: Path) -> None:
    (repository / "tracked.py").touch()
    before = {path: path.stat().st_mtime_ns for path in (repository / ".git").rglob("*")}
    code_state(repository)
    assert {path: path.stat().st_mtime_ns for path in (repository / ".git").rglob("*")} == before


def test_the_repository_of_a_git_hook_is_not_taken_for_that_of_the_code(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert code_state(tmp_path) == ("", "")


@pytest.mark.parametrize("place", ["outside", "no commit yet", "not there", "damaged"])
def test_where_there_is_no_commit_none_is_named(tmp_path: Path, repository: Path, place: str) -> None:
    folder = tmp_path / place
    if place != "not there":
        folder.mkdir()
    if place == "no commit yet":
        git(folder, "init", "--quiet")
    if place == "damaged":
        (folder / ".git").write_text("gitdir: nowhere", encoding="utf-8")
    assert code_state(folder) == ("", "")


def test_a_git_that_hangs_is_not_waited_for(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "_PATIENCE_SECONDS", 0.1)
    program(programs, "git", "exec sleep 100000")
    assert code_state(tmp_path) == ("", "")


def test_a_repository_that_takes_too_long_to_compare_has_its_commit_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.run

    def slow_to_compare(command: tuple[str, ...], **options: Any) -> Any:
        if "status" in command:
            raise subprocess.TimeoutExpired(command, 3)
        return run(command, **options)

    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setattr(subprocess, "run", slow_to_compare)
    assert code_state(repository) == (commit, "")


def test_a_git_that_fails_or_writes_what_is_no_text_breaks_nothing(tmp_path: Path, programs: Path) -> None:
    program(programs, "git", "exit 3")
    assert code_state(tmp_path) == ("", "")
    program(programs, "git", r"printf '\377'")
    assert code_state(tmp_path) == ("\N{REPLACEMENT CHARACTER}", "changed")


def test_without_git_and_gpus_the_rest_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = provenance(sweep())
    assert (found.commit, found.tree, found.gpus) == ("", "", "")
    assert found.host == socket.gethostname()
    assert found.cores == str(len(os.sched_getaffinity(0)))
    assert found.cpu
    assert found.versions == versions()


def test_gpus_are_named_with_their_number(programs: Path) -> None:
    program(programs, "nvidia-smi", "printf 'NVIDIA H100 80GB HBM3\\nNVIDIA L4\\nNVIDIA H100 80GB HBM3\\n'")
    assert provenance(sweep()).gpus == "2 × NVIDIA H100 80GB HBM3, 1 × NVIDIA L4"
    program(programs, "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert provenance(sweep()).gpus == ""


def of_own_workload(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """A sweep over a workload that a module in the folder defines."""
    source = "from trainables.workloads import workload_named\nmine = workload_named('digits-lenet5')\n"
    (folder / "workload_of_mine.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "workload_of_mine", raising=False)
    stages = [{"name": "grid", "methods": {"standard": {}}}]
    return sweep(workloads=["digits-lenet5", "workload_of_mine:mine"], stages=stages)


def test_the_commit_is_that_of_ones_own_workload_or_else_of_the_current_folder(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commit = git(repository, "rev-parse", "HEAD")
    assert provenance(sweep()).commit == ""
    assert provenance(of_own_workload(repository / "inside", monkeypatch)).commit == commit
    monkeypatch.chdir(repository / "inside")
    assert provenance(sweep()).commit == commit


def test_a_job_is_of_the_commit_that_was_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLIENT_CODE, "3bc2 changed")
    found = provenance(sweep())
    assert (found.commit, found.tree) == ("3bc2", "changed")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["/home/ann/.venv/bin/dropattack", "run", "my sweep.yaml"], "dropattack run 'my sweep.yaml'"),
        (["/x/search/__main__.py", "run", "demo"], "python -m search run demo"),
        (["-c", "run"], "-c run"),
        ([""], "python"),
        ([], "python"),
        (
            ["dropattack", "--data=/home/ann/data", "/home/ann", "/home/anna"],
            'dropattack --data="$HOME"/data ~ /home/anna',
        ),
        (["d", "--tracking-uri", "http://ann:s3cr'et@host"], "d --tracking-uri http://host"),
        (["d", "postgresql:///db?user=ann&password=s3cret"], "d 'postgresql:///db?user=ann&password=***'"),
    ],
)
def test_a_command_reads_as_typed_without_passwords_and_homes(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert command_line(arguments) == text


@pytest.mark.parametrize(
    "words",
    [
        ["/home/ann/my sweep.yaml", "--store", "/home/ann"],
        ["--store=/home/ann/it's", "/home/ann/a/home/ann/b", "/home/ann/"],
        ["--set", "stages.confirm.search.seeds=[100, 101]", "--set", "x=$HOME;`ls`\n*"],
        ["", "~", "~ann", "/home/ann:/home/ann", "/home/anna"],
    ],
)
def test_a_shell_reads_a_command_as_it_was_typed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    typed = command_line(["dropattack", *words])
    assert "/home/ann" not in typed.replace("/home/anna", "")
    read = f"{shlex.quote(sys.executable)} -c 'import json, sys; print(json.dumps(sys.argv[1:]))'"
    script = read + typed.removeprefix("dropattack")
    out = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True)
    assert json.loads(out.stdout) == words


def test_a_home_at_the_root_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert command_line(["dropattack", "--store", "/store/x"]) == "dropattack --store /store/x"


def test_equal_runs_are_one_entry_and_the_last_one_stands_last() -> None:
    one, other = Provenance(host="one"), Provenance(host="other")
    runs: list[Run] = []
    for of, at in ((one, "t1"), (other, "t2"), (one, "t3"), (one, "t4")):
        runs = noted(runs, of, at)
    assert runs == [Run(other, "t2", "t2", 1), Run(one, "t1", "t4", 3)]


def test_a_host_that_is_new_each_time_does_not_let_the_notes_grow_for_ever() -> None:
    runs: list[Run] = []
    for number in range(1200):
        runs = noted(runs, Provenance(host=f"pod-{number}"), str(number))
    assert [run.of.host for run in runs] == [f"pod-{number}" for number in range(200, 1200)]


def test_a_run_is_in_the_store_as_it_was_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["dropattack", "run", "--tracking-uri", "http://ann:s3cret@host"])
    store, of = Store(tmp_path), provenance(sweep())
    for _ in range(3):
        store.note_run("small", of, begun=False)
    (run,) = store.runs("small")
    assert (run.of, run.times) == (of, 3)
    assert run.first <= run.last
    assert run.of.command == "dropattack run --tracking-uri http://host"
    assert all("s3cret" not in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_a_store_that_has_versions_only_opens_and_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.define(sweep())
    old = {"torch": ["unknown", "2.0"], "ray": ["3"]}
    (store.folder("small") / "versions.json").write_text(json.dumps(old), encoding="utf-8")
    assert store.runs("small") == []
    assert store.versions("small") == {"torch": "unknown, 2.0", "ray": "3"}
    store.note_run("small", Provenance(host="n1", versions={"torch": "2.1", "ray": "3"}), begun=True)
    assert store.versions("small") == {"torch": "unknown, 2.0, 2.1", "ray": "3"}
    assert [run.of.host for run in store.runs("small")] == ["n1"]


@pytest.mark.parametrize("name", ["runs.json", "versions.json"])
@pytest.mark.parametrize("content", ["", "[", '[{"of": 3}]', "[[1]]"])
def test_damaged_notes_are_gone_on_without_in_one_line(tmp_path: Path, name: str, content: str) -> None:
    store = Store(tmp_path)
    store.define(sweep())
    (store.folder("small") / name).write_text(content, encoding="utf-8")
    assert store.versions("small") == {}
    (remark,) = store.remarks.values()
    assert re.fullmatch(rf".*/{name} is damaged: it .*; lost is .*dropattack store check.*", remark)


def test_a_report_names_the_last_run_and_what_was_different_before() -> None:
    n1 = {"host": "n1", "cpu": "EPYC", "cores": "2", "commit": "3" * 40, "tree": "changed"}
    n2 = n1 | {
        "host": "n2",
        "commit": "4" * 40,
        "tree": "clean",
        "gpus": "1 × L4",
        "command": "dropattack run x",
    }
    last = n2 | {"at": "2026-11-03T14:02:05+00:00", "times": "3"}
    frame = synthetic.trials()
    assert origin(synthetic.records(frame)) == []
    assert origin(synthetic.records(frame, runs=[n2])) == [
        "Run 1 time: host n2 · EPYC, 2 cores · 1 × L4 · commit 444444444444, clean"
    ]
    assert origin(synthetic.records(frame, runs=[{"times": "0"}, n1, last])) == [
        "Run 4 times, last on 2026-11-03 14:02 UTC: host n2 · EPYC, 2 cores · 1 × L4 · "
        "commit 444444444444, clean",
        "Earlier: host n1 · commit 333333333333, changed",
    ]
    many = [n1 | {"host": f"pod-{number}"} for number in range(20)]
    assert origin(synthetic.records(frame, runs=[*many, last]))[1].endswith("· and 15 more")


def test_times_of_several_kinds_of_machines_are_not_compared() -> None:
    epyc, other = {"host": "n1", "cpu": "EPYC"}, {"host": "n2", "cpu": "EPYC"}
    gpus = {"host": "n3", "cpu": "EPYC", "gpus": "1 × L4"}

    def captions(*runs: dict[str, str]) -> list[str]:
        records = synthetic.records(synthetic.trials(ks=[1, 3]), runs=runs)
        sections = [found for found in (budget.passes(records), overview.section(records)) if found]
        parts = [part for found in sections for part in found.parts if isinstance(part, Table)]
        return [part.caption for part in parts if part.name in ("passes", "stages")]

    told = "Its times come from several machines (1 × L4; EPYC): compare passes instead."
    assert [told in caption for caption in captions(epyc, gpus, other)] == [True, True]
    for runs in ([], [epyc, other], [gpus, gpus]):
        assert not any("machines" in caption for caption in captions(*runs))
