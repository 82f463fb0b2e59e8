"""Jobs of SLURM, with stand-ins for its commands; `make test-slurm` has real Ray in them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import Result

from dropattack import UsageError
from search.definition.sweepfile import load_sweep
from search.submission import slurm
from search.submission.slurm import Allocation, sbatch_script, seconds_of_time
from tests.search.submission.standins import Slurm

HOURS = ["--time", "8:00:00"]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("8:00:00", 28800),
        ("1-12", 129600),
        ("1-00:30", 88200),
        ("2-01:02:03", 176523),
    ],
)
def test_times_are_those_of_slurm(time: str, seconds: int) -> None:
    assert seconds_of_time(time) == seconds


@pytest.mark.parametrize("time", ["", "8h", "1:2:3:4", "1-", "-5", "8.5", "1-2-3", "8:00:00 ", "٣", "1:"])
def test_other_times_are_refused(time: str) -> None:
    with pytest.raises(UsageError, match="is no time of SLURM's"):
        seconds_of_time(time)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "8h"], "'8h' is no time of SLURM's"),
        (["--time", "9"], "leaves nothing to train in beside the 300 s"),
        ([*HOURS, "--nodes", "0"], "--nodes must be at least 1, not 0"),
        ([*HOURS, "--gpus-per-node", "-1"], "--gpus-per-node must be at least 0"),
        ([*HOURS, "--grace", "5"], "--grace must be at least 60"),
        ([*HOURS, "--mem", "lots"], "--mem is a number with"),
        ([*HOURS, "--partition", "a b"], "--partition is a name"),
        ([*HOURS, "--account", "x\ny"], "--account is a name"),
        ([*HOURS, "--sbatch", "qos=high"], "--sbatch takes an option"),
        ([*HOURS, "--sbatch=--qos=a\n#"], "--sbatch takes an option"),
        ([*HOURS, "--setup", "a\nb"], "without control characters"),
        ([*HOURS, "--set", "resources.gpus=1"], "1 GPUs, and no node has them"),
        ([*HOURS, "--cpus-per-task", "2", "--set", "resources.cpus=4"], "4 CPUs, and no node has them"),
        ([*HOURS, "--store", "/tmp/runs"], "--store /tmp/runs is a folder of one node"),
        ([*HOURS, "--store", "/var/../dev/shm/x"], "--store /dev/shm/x is a folder of one node"),
        ([*HOURS, "--store", "ftp://host/runs"], "must be a folder, or begin with s3://"),
        ([*HOURS, "--store", "s3://bucket/../runs"], "the store's prefix in s3://bucket must be of letters"),
        ([*HOURS, "--data", "s3://bucket/data"], "--data must be a folder that all nodes share"),
        ([*HOURS, "--data", "/var/tmp"], "--data /var/tmp is a folder of one node"),
        ([*HOURS, "--tracking-uri", "http://me:secret@mlflow"], "credentials in --tracking-uri"),
        ([*HOURS, "--submit"], "--submit needs sbatch"),
    ],
)
def test_a_wrong_request_is_one_line(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    places = ["--store", "/shared/runs", "--data", "/shared/data"]
    refused = command("slurm", "demo", *places, *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_an_unknown_sweep_and_a_missing_time_are_refused(command: Callable[..., Result]) -> None:
    assert "did you mean 'demo'" in command("slurm", "demmo", *HOURS).stderr


def script(folder: Path, run: Sequence[str] = ("-m", "search", "run", "demo"), **options: object) -> str:
    asked: dict[str, object] = {"nodes": 2, "time": "8:00:00", "grace": 60, **options}
    allocation = Allocation(**asked)  # type: ignore[arg-type]  # the test's own words
    return sbatch_script(load_sweep("demo"), allocation, run, folder, ["python"], ["export READY=yes"])


@pytest.fixture
def machine(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


def test_what_is_asked_of_slurm_is_in_the_script(tmp_path: Path) -> None:
    asked = script(tmp_path, gpus_per_node=4, cpus_per_node=16, mem="64G", account="me", more=["--qos=high"])
    lines = {line.removeprefix("#SBATCH ") for line in asked.splitlines() if line.startswith("#SBATCH")}
    assert lines >= {"--nodes=2", "--gpus-per-node=4", "--cpus-per-task=16", "--mem=64G", "--time=8:00:00"}
    assert lines >= {"--account=me", "--qos=high", "--signal=B:USR1@60", "--requeue", "--ntasks-per-node=1"}
    assert not any(line.startswith(("--exclusive", "--partition")) for line in lines)
    assert {"--exclusive", "--mem=0"} <= {line[8:] for line in script(tmp_path).splitlines()}


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_script_is_bash_that_a_linter_accepts(tmp_path: Path, nodes: int) -> None:
    path = tmp_path / "job.sh"
    path.write_text(script(tmp_path, nodes=nodes, gpus_per_node=2))
    subprocess.run(["bash", "-n", path], check=True)
    if linter := shutil.which("shellcheck"):
        found = subprocess.run([linter, path], capture_output=True, text=True, check=False)
        assert found.stdout == ""


def test_words_that_a_shell_would_take_apart_reach_the_run_whole(machine: Slurm) -> None:
    words = ["-m", "search", "run", "my sweep's.yaml", "--set", 'stages.a.b=[$HOME, `x`, "y"]']
    assert machine.run(script(machine.root, words)).wait() == 0
    assert machine.runs() == [words]


@pytest.mark.parametrize(
    ("endings", "statuses", "requeued"),
    [
        ([0], [0], 0),
        ([1], [1], 0),
        ([2], [2], 0),
        ([75, 75, 0], [0, 0, 0], 2),
        ([75, 1], [0, 1], 1),
    ],
)
def test_a_job_begins_again_until_it_is_done_or_fails(
    machine: Slurm, endings: list[int], statuses: list[int], requeued: int
) -> None:
    for ending, expected in zip(endings, statuses, strict=True):
        machine.ends_with(ending, after_notice=ending == 75)
        job = machine.run(script(machine.root))
        if ending == 75:
            machine.await_run()
            os.kill(job.pid, signal.SIGUSR1)
        assert job.wait() == expected, machine.log()
    assert machine.requeued() == requeued
    assert not machine.living(), "a node's processes live on"
    assert not Path(f"/tmp/ray-{machine.job}").exists()


def test_nodes_that_slurm_takes_back_are_left_in_order_and_not_asked_for_again(machine: Slurm) -> None:
    machine.ends_with(75, after_notice=True)
    job = machine.run(script(machine.root))
    machine.await_run()
    os.kill(job.pid, signal.SIGTERM)
    assert job.wait() == 75
    assert machine.requeued() == 0


def test_a_notice_before_the_run_listens_says_that_it_came_too_soon(machine: Slurm) -> None:
    """It ends the run, which has trained nothing: asking for the same time again would do the same."""
    machine.ends_with(0, after_notice=True, loading=True)
    job = machine.run(script(machine.root))
    machine.await_run()
    os.kill(job.pid, signal.SIGUSR1)
    assert job.wait() == 1
    assert "before the run began; ask for more --time" in machine.log()
    assert machine.requeued() == 0
    assert not machine.living()


def test_a_node_where_nothing_starts_ends_the_job(machine: Slurm) -> None:
    machine.ends_with(0, joined=False)
    assert machine.run(script(machine.root)).wait() == 1
    assert machine.runs() == []
    assert machine.requeued() == 0


def test_a_setup_that_fails_ends_the_job_before_anything_starts(machine: Slurm) -> None:
    text = script(machine.root).replace("export READY=yes", "false")
    assert machine.run(text).wait() == 1
    assert "--setup" in machine.log()
    assert machine.runs() == []


def test_sbatch_gets_the_script_and_says_the_jobs_number(
    machine: Slurm, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", machine.path)
    monkeypatch.setattr(slurm, "_OF_ONE_NODE", ())
    given = command("slurm", "demo", *HOURS, "--submit")
    assert (given.exit_code, given.stdout) == (0, "Submitted batch job 7\n")
    printed = command("slurm", "demo", *HOURS)
    assert machine.submitted() == printed.stdout
    assert sys.executable in printed.stdout
    machine.refuses()
    refused = command("slurm", "demo", *HOURS, "--submit")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "sbatch refused the job: sbatch: error: no such partition" in refused.stderr
