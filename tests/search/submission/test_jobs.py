"""Submitting sweeps to a Jobs API that is played by the test; `make test-cluster` has a real one."""

import shlex
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.job_submission import JobStatus

from dropattack import UsageError
from search.execution.job import CLIENT_PYTHON, python_version
from search.records.provenance import CLIENT_CODE
from search.submission import jobs


@dataclass
class Job:
    submission_id: str | None
    entrypoint: str
    runtime_env: dict[str, Any] = field(default_factory=dict)
    status: JobStatus = JobStatus.RUNNING
    message: str | None = "of the job"
    driver_exit_code: int | None = None


class Client:
    """A cluster's Jobs API, as far as submitting goes."""

    def __init__(self, *jobs: Job, logs: list[list[str | Exception]] | None = None) -> None:
        self.jobs = list(jobs)
        self.logs = iter(logs or [])

    def list_jobs(self) -> list[Job]:
        return list(self.jobs)

    def submit_job(self, *, entrypoint: str, runtime_env: dict[str, Any], submission_id: str) -> str:
        if submission_id in [job.submission_id for job in self.jobs]:
            raise RuntimeError(f"{submission_id} already exists")
        assert Path(runtime_env["working_dir"]).read_bytes()[:2] == b"PK"
        self.jobs.append(Job(submission_id, entrypoint, runtime_env))
        return submission_id

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        for part in next(self.logs):
            if isinstance(part, Exception):
                raise part
            yield part

    def get_job_info(self, job: str) -> Job:
        return next(j for j in self.jobs if j.submission_id == job)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the token mode that Ray leaves behind in a process that it ran in."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text("name: mine", encoding="utf-8")
    return tmp_path


COMMAND = ["python", "-m", "search", "run", "demo", "--set", "training.epochs=[1, 2]"]


def _submit(client: Client, project: Path, command: list[str] = COMMAND) -> tuple[str, bool]:
    return jobs.submit(client, "demo", "/store", command, project)  # type: ignore[arg-type]


def test_a_job_says_what_runs_and_with_which_python_it_was_submitted(project: Path) -> None:
    client = Client()
    name, new = _submit(client, project)
    assert new
    (job,) = client.jobs
    assert job.submission_id == name
    assert shlex.split(job.entrypoint) == COMMAND
    assert job.runtime_env["env_vars"] == {CLIENT_PYTHON: python_version(), CLIENT_CODE: ""}


def test_what_is_sent_is_said_before_it_is(project: Path) -> None:
    client, said = Client(), []

    def hear(line: str) -> None:
        said.append((line, len(client.jobs)))

    for _ in range(2):
        jobs.submit(client, "demo", "/store", COMMAND, project, hear)  # type: ignore[arg-type]
    ((line, before),) = said  # the second one joins, and sends nothing
    assert before == 0
    assert line.startswith("sends ")
    assert "to the cluster" in line


def test_a_running_job_is_joined_and_an_ended_one_followed_by_a_new_one(project: Path) -> None:
    client = Client()
    first, _ = _submit(client, project)
    assert _submit(client, project) == (first, False)
    for ended in (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.SUCCEEDED):
        client.jobs[-1].status = ended
        name, new = _submit(client, project)
        assert new
        assert name not in [job.submission_id for job in client.jobs[:-1]]
    assert len(client.jobs) == 4


def test_a_running_job_with_other_options_is_not_taken_for_this_one(project: Path) -> None:
    client = Client()
    name, _ = _submit(client, project)
    with pytest.raises(UsageError, match=f"other options.*ray job stop {name}"):
        _submit(client, project, [*COMMAND, "--set", "seeds=[5]"])


def test_other_sweeps_and_other_stores_have_jobs_of_their_own(project: Path) -> None:
    client = Client(Job("raysubmit_x", "python x.py"), Job("dropattack-demo-2-aaaaaaaa-1", "?"))
    first, _ = _submit(client, project)
    other, new = jobs.submit(client, "demo", "/other", COMMAND, project)  # type: ignore[arg-type]
    assert new
    assert other != first


@pytest.mark.parametrize("suffix", ["²", "b", "-1", ""])
def test_jobs_without_a_number_of_this_sweep_are_passed_over(project: Path, suffix: str) -> None:
    client = Client(Job(None, "python driver.py"))
    first, _ = _submit(client, project)
    client.jobs.insert(1, Job(first.removesuffix("1") + suffix, "?"))
    assert _submit(client, project) == (first, False)


def test_of_two_submitted_at_once_one_starts_and_the_other_joins_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    first, _ = _submit(client, project)
    listed = iter([[], client.list_jobs()])
    monkeypatch.setattr(client, "list_jobs", lambda: next(listed))
    assert _submit(client, project) == (first, False)


def test_following_goes_on_after_a_lost_connection_and_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_RECONNECT_SECONDS", 0)
    logs: list[list[str | Exception]] = [
        ["one\n", "tw", RuntimeError("lost")],
        [OSError("no route")],
        ["one\ntw", "o\n"],
        ["one\ntwo\nthree\n"],
    ]
    job = Job("a", "?", status=JobStatus.SUCCEEDED)
    seen: list[str] = []
    assert jobs.follow(Client(job, logs=logs), "a", seen.append) == 0  # type: ignore[arg-type]
    assert "".join(seen) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(JobStatus.FAILED, 2, 2), (JobStatus.FAILED, 1, 1), (JobStatus.STOPPED, None, 1)],
)
def test_a_job_that_failed_gives_its_exit_status_on(status: JobStatus, code: int, expected: int) -> None:
    client = Client(Job("a", "?", status=status, driver_exit_code=code), logs=[["text\n"]])
    seen: list[str] = []
    assert jobs.follow(client, "a", seen.append) == expected  # type: ignore[arg-type]
    assert seen[-1] == f"job a {status.value.lower()}: of the job\n"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "no reason given"),
        ("", "no reason given"),
        (" \n", "no reason given"),
        ("\nfirst line\nsecond", "first line"),
    ],
)
def test_a_job_ends_with_one_line_whatever_the_cluster_says_of_it(message: str | None, reason: str) -> None:
    client = Client(Job("a", "?", status=JobStatus.STOPPED, message=message), logs=[[]])
    seen: list[str] = []
    assert jobs.follow(client, "a", seen.append) == 1  # type: ignore[arg-type]
    assert seen == [f"job a stopped: {reason}\n"]


@pytest.fixture
def jobs_api() -> Iterator[str]:
    """Address of a server that says it is another version of Ray."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "4", "ray_version": "2.40.0", "ray_commit": "x"}')

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_version_of_ray_is_refused_with_both_versions(jobs_api: str) -> None:
    with pytest.raises(UsageError, match=rf"has Ray 2\.40\.0 and the client has Ray {ray.__version__}"):
        jobs.connect(jobs_api)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 64, encoding="utf-8")
    token.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    with pytest.raises(UsageError, match=f"chmod 600 {token}"):
        jobs.connect("http://127.0.0.1:1")


def test_the_command_names_what_the_cluster_can_see(project: Path) -> None:
    given = jobs.run_command(
        str(project / "mine.yaml"), "/store", "/data", "http://mlflow:5000", ["seeds=[1, 2]"], project
    )
    assert given == [
        *("python", "-m", "search", "run", "mine.yaml", "--store", "/store", "--data", "/data"),
        *("--tracking-uri", "http://mlflow:5000", "--set", "seeds=[1, 2]"),
    ]
    plain = ["python", "-m", "search", "run", "demo"]
    address = "s3://bucket/in"
    assert jobs.run_command("demo", address, "", "", [], project) == [*plain, "--store", address]
    assert jobs.run_command("demo", "", "", "", [], project) == plain
    assert jobs.run_command("demo", "", "", "", [], project, retry_failed=True) == [*plain, "--retry-failed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": __file__}, "outside of the project"),
        ({"store": "runs"}, "--store runs must be an absolute path"),
        ({"store": "ftp://bucket/in"}, "begin with s3://"),
        ({"data": "../data"}, "--data ../data must be an absolute path"),
        ({"tracking_uri": "http://ann:secret@mlflow"}, "credentials"),
    ],
)
def test_what_the_cluster_cannot_see_is_refused(project: Path, change: dict[str, Any], message: str) -> None:
    right = {"source": "demo", "store": "", "data": "", "tracking_uri": "", "overrides": []}
    with pytest.raises(UsageError, match=message) as refused:
        jobs.run_command(**right | change, project=project)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "auto", "http://127.0.0.1:1"])
def test_an_address_without_a_jobs_api_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=address):
        jobs.connect(address)
