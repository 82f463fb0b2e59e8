"""What is refused before the first trial starts; `make test-cluster` asks real nodes."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack import UsageError
from search.definition.sweep import Resources
from search.engine import nodes
from search.engine.datasets import data_options
from search.execution import job, preflight
from search.records.mirrored import folder_of
from tests.search.simulation import sweep
from trainables.disk import write_atomically
from trainables.remote.files import remove, send_unseen, shared_name

STORE_TOKEN = "token"
CPU = Resources()


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "store" / ".probe"
    path.parent.mkdir()
    path.write_text(STORE_TOKEN, encoding="utf-8")
    return path


def test_a_job_of_another_python_is_refused_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(job.CLIENT_PYTHON, job.python_version())
    job.check_job(tmp_path)
    monkeypatch.setenv(job.CLIENT_PYTHON, "3.9")
    with pytest.raises(UsageError, match=rf"Python {job.python_version()} and the client .* 3\.9"):
        job.check_job(tmp_path)


def test_a_store_in_a_jobs_own_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job.check_job(Path("runs"))
    uploaded = json.dumps({"runtime_env": {"working_dir": "gcs://x.zip"}})
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", uploaded)
    with pytest.raises(UsageError, match="--store /store"):
        job.check_job(Path("runs"))
    job.check_job(tmp_path.parent / "shared")


@pytest.mark.parametrize(
    ("resources", "node", "expected"),
    [
        ({"cpus": 2}, {"CPU": 2.0}, True),
        ({"cpus": 4}, {"CPU": 2.0}, False),
        ({"gpus": 0.25}, {"CPU": 2.0}, False),
        ({"gpus": 0.25}, {"CPU": 2.0, "GPU": 1.0}, True),
        ({"gpus": 2}, {"CPU": 2.0, "GPU": 1.0}, False),
        ({"gpus": "auto"}, {"CPU": 2.0}, False),
        ({"gpus": "auto"}, {"CPU": 2.0, "GPU": 1.0}, True),
    ],
)
def test_a_trial_fits_where_all_its_resources_are(
    resources: dict[str, Any], node: dict[str, float], expected: bool
) -> None:
    assert preflight.fits(Resources(**resources), node) is expected


def test_resources_that_no_node_has_are_refused_with_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    monkeypatch.setattr(preflight.ray, "nodes", lambda: nodes)
    wanted = sweep(resources={"cpus": 4, "gpus": 1})
    with pytest.raises(UsageError, match=r"4 CPUs and 1 GPUs.*2 CPUs, 1 GPUs; 4 CPUs, 0 GPUs"):
        preflight.check_cluster(wanted, tmp_path, tmp_path, lambda *_: "")


def test_a_node_that_sees_the_store_and_the_same_data_is_fine(probe: Path) -> None:
    options = ("digits-lenet5", {})
    digest = preflight.workload_named("digits-lenet5").checksum(probe.parent)
    assert preflight.node_problem(str(probe), STORE_TOKEN, probe.parent, [(options, digest)], CPU) == ""


def test_a_node_without_the_store_is_told_from_one_with_another_of_that_name(probe: Path) -> None:
    for content in (None, "other"):
        shutil.rmtree(probe.parent)
        if content is not None:
            probe.parent.mkdir()
            probe.write_text(content, encoding="utf-8")
        problem = preflight.node_problem(str(probe), STORE_TOKEN, probe.parent, [], CPU)
        assert "does not see the store" in problem
        probe.parent.mkdir(exist_ok=True)


def test_a_node_lacking_data_or_with_other_data_says_which(probe: Path) -> None:
    mnist: tuple[preflight.DataOptions, str] = (("mnist-lenet5", {}), "digest")
    lacking = preflight.node_problem(str(probe), STORE_TOKEN, probe.parent / "nowhere", [mnist], CPU)
    assert lacking.startswith("lacks data: ")
    assert "nowhere" in lacking
    digits: tuple[preflight.DataOptions, str] = (("digits-lenet5", {}), "of another version")
    assert "other data for digits-lenet5" in preflight.node_problem(
        str(probe), STORE_TOKEN, probe.parent, [digits], CPU
    )


def test_every_workload_is_checked_with_every_data_option_it_is_trained_on() -> None:
    stages = [
        {"name": "a", "methods": {"standard": {}}, "data": {"threads": ["source", "replies"]}},
        {"name": "b", "methods": {"standard": {}}},
    ]
    found = list(data_options(sweep(workloads=["pheme-bigru"], stages=stages)))
    assert found == [
        ("pheme-bigru", {"threads": "source"}),
        ("pheme-bigru", {"threads": "replies"}),
        ("pheme-bigru", {}),
    ]


@pytest.mark.parametrize(
    ("gpus", "built", "problem"),
    [
        (0, False, ""),
        (0.5, True, ""),
        ("auto", True, ""),
        (0.5, False, "cannot train on its GPUs: torch .* built without CUDA.*"),
        ("auto", False, "cannot train on its GPUs: torch .* built without CUDA.*"),
        (0.01, True, "cannot train on its GPUs: gpus: 0.01 of 24 GiB .* the smallest share is 0.06"),
    ],
)
def test_a_node_whose_torch_cannot_use_its_gpus_says_so(
    probe: Path, monkeypatch: pytest.MonkeyPatch, gpus: float | str, built: bool, problem: str
) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(nodes, "gpu_facts", {"memory.total": ["24576", "[N/A]"]}.__getitem__)
    found = preflight.node_problem(str(probe), STORE_TOKEN, probe.parent, [], Resources(gpus=gpus))
    assert re.fullmatch(problem, found)


def test_a_node_reaches_a_store_at_an_address_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "driver"))
    probe = folder_of("memory://preflight/in") / ".probe"
    write_atomically(probe, STORE_TOKEN.encode())
    send_unseen(probe)
    name = shared_name(probe)
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "node"))
    assert preflight.node_problem(name, STORE_TOKEN, tmp_path, [], CPU) == ""
    assert "does not see the store memory://preflight/in" in preflight.node_problem(
        name, "another", tmp_path, [], CPU
    )
    remove(probe)
    assert "does not see the store" in preflight.node_problem(name, STORE_TOKEN, tmp_path, [], CPU)
    problem = preflight.node_problem("az://container/in//.probe", STORE_TOKEN, tmp_path, [], CPU)
    assert problem.startswith("cannot use the store: there are no credentials for az://container/in")
