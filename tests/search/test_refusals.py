"""Wrong requests: one line on standard error, exit status 2, nothing started and nothing left behind."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import ray
from click.testing import Result

from search.submission import jobs

WARM_START = ["run", "demo", "--set", "stages.search.search.warm_start=[elsewhere]"]
"""What is refused last of all, when everything is imported and the store is held."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "demo", "--set", "stages.search.methods.dropattack.p={low: 0, high: 2}"],
            "p must be 0 to 1",
        ),
        (["run", "demmo"], "did you mean 'demo'"),
        (["run", "demo", "--set", "workload=mnist-lenet5", "--data", "nowhere"], "no folder nowhere"),
        (["run", "demo", "--set", "training.train_size=1300"], "more than the 1,197 examples"),
        (
            ["run", "demo", "--set", "stages.baseline.exclude=[{method: standard}]"],
            "exclude leaves nothing of its space",
        ),
        (WARM_START, "unknown sweep in warm_start 'elsewhere'"),
        (["plan", "demmo"], "did you mean 'demo'"),
        (["report", "demo"], "there is no store runs"),
        (["status", "demo"], "there is no store runs"),
        (["robustness", "demo", "--attacks", "fgsm:0.1"], "there is no store runs"),
        (["ui"], "run a sweep there first"),
        (["targets", "digits"], "did you mean 'digits-lenet5'"),
        (["data", "fetch", "minst"], "did you mean 'mnist'"),
    ],
)
def test_a_wrong_request_gets_one_line_and_status_2_and_starts_nothing(
    tmp_path: Path,
    command: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray was started"))
    threads = set(threading.enumerate())
    refused = command(*arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert set(threading.enumerate()) <= threads
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(WARM_START, "unknown sweep in warm_start"), (["ui"], "run a sweep there first")],
)
def test_a_process_of_its_own_says_no_more(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Nor do the libraries that it imports."""
    command = [sys.executable, "-m", "search", *arguments]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert list(tmp_path.iterdir()) == []


FIRST = "stages.search.search.enqueue=[{best_of: earlier}, {method: dropattack, epsilon: 700}]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (FIRST, "entry 2 has dropattack.epsilon = 700, outside of the stage's space"),
        ("stages.search.search.enqueue=[{method: fgm}]", "unknown method of this stage 'fgm'"),
        ("stages.baseline.exclude=[{method: standard}]", "exclude leaves nothing of its space"),
        ("resources.gpus=2", "would leave GPUs idle"),
        ("training.epochs=0", "epochs must be"),
        ("", "the tracking address 'localhost:5000' must begin with"),
    ],
)
def test_what_could_run_nowhere_is_refused_before_a_cluster_hears_of_it(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, change: str, message: str
) -> None:
    """`run` says the same, where it comes so far."""
    monkeypatch.setattr(jobs, "connect", lambda *_: pytest.fail("the cluster was asked"))
    options = ["--set", change] if change else ["--tracking-uri", "localhost:5000"]
    told = []
    for where in (["submit", "demo", "--address", "http://127.0.0.1:1"], ["plan", "demo"]):
        if "best_of" in change and where[0] == "plan":
            continue  # which has no such sweep in its store
        refused = command(*where, *options)
        assert refused.exit_code == 2
        assert len(refused.stderr.splitlines()) == 1
        told.append(refused.stderr)
    assert message in told[0]
    assert len(set(told)) == 1
