"""Wrong requests: one line on standard error, exit status 2, nothing started and nothing left behind."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import ray
from click.testing import Result

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
        (["report", "demo"], "has not been run"),
        (["status", "demo"], "has not been run"),
        (["robustness", "demo", "--attacks", "fgsm:0.1"], "has not been run"),
        (["ui"], "run a sweep first"),
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
    ("arguments", "message"), [(WARM_START, "unknown sweep in warm_start"), (["ui"], "run a sweep first")]
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
