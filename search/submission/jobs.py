"""Sweeps as jobs on Ray: submits each once, however often asked, and follows it to its end."""

import asyncio
import logging
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import ray
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from dropattack import UsageError
from search.execution.errors import RunError
from search.execution.job import CLIENT_PYTHON, python_version
from search.records.provenance import CLIENT_CODE, code_state
from search.submission.command import check_open, run_words
from search.submission.upload import pack, what_is_sent
from trainables.digest import digest
from trainables.remote.address import Address, is_address

_RECONNECT_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


def connect(address: str) -> JobSubmissionClient:
    """Opens a cluster's Jobs API.

    Args:
        address: Its address, such as ``http://127.0.0.1:8265``.

    Raises:
        UsageError: There is no cluster, it refuses the token, or it runs another version of Ray.
    """
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"--address is that of the Jobs API, such as http://127.0.0.1:8265, not {address!r}")
    _check_token_file()
    try:
        client = JobSubmissionClient(address)
    except ray.exceptions.AuthenticationError:
        raise UsageError(
            f"the cluster at {address} did not accept the token; set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH to a file that holds the cluster's"
        ) from None
    except (ConnectionError, RuntimeError) as error:
        raise UsageError(f"no Ray cluster at {address}: {' '.join(str(error).split())}") from None
    for module in (JobSubmissionClient.__module__, SubmissionClient.__module__):
        logging.getLogger(module).setLevel(logging.WARNING)
    theirs = client._server_ray_version
    if theirs != ray.__version__:
        raise UsageError(
            f"the cluster at {address} has Ray {theirs} and the client has Ray {ray.__version__}; "
            f"submit with Ray {theirs}"
        )
    return client


def run_command(
    source: str,
    store: str,
    data: str,
    tracking_uri: str,
    overrides: Sequence[str],
    project: Path,
    scale: str = "",
    retry_failed: bool = False,
    only: Sequence[str] = (),
) -> list[str]:
    """The command of a job that runs a sweep.

    Args:
        source: A bundled sweep's name, or a path to a file inside the project.
        store: The store on the cluster, an address or an absolute path; empty for the cluster's own default.
        data: The data root on the cluster, likewise.
        tracking_uri: The MLflow server as the cluster sees it, likewise.
        overrides: As ``--set`` takes them.
        project: The folder that is uploaded.
        scale: As ``--scale`` takes it.
        retry_failed: Whether to try failed trials again, as ``--retry-failed`` does.
        only: As ``--only`` takes them.

    Raises:
        UsageError: One of them is invalid, or means something else, on the cluster.
    """
    if Path(source).is_file():
        path = Path(source).resolve()
        if not path.is_relative_to(project.resolve()):
            raise UsageError(
                f"{source} is outside of the project folder, which is all that a job takes along"
            )
        source = path.relative_to(project.resolve()).as_posix()
    for option, value in (("--store", store), ("--data", data)):
        if option == "--store" and is_address(value):
            Address.parse(value)
        elif value and not Path(value).is_absolute():
            raise UsageError(f"{option} {value} must be an absolute path, as the cluster's nodes see it")
    check_open(tracking_uri, overrides)
    command = ["python", *run_words(source, store, data, tracking_uri, overrides, scale)]
    command += ["--retry-failed"] * retry_failed
    return command + [part for workload in only for part in ("--only", workload)]


def submit(
    client: JobSubmissionClient,
    sweep: str,
    store: str,
    command: Sequence[str],
    project: Path,
    said: Callable[[str], object] = lambda line: None,
) -> tuple[str, bool]:
    """Starts a job that runs a sweep, unless one does already.

    A sweep of a store has at most one job at a time: jobs are numbered, and a number is given once.

    Args:
        client: The cluster.
        sweep: The sweep's name.
        store: Its store on the cluster.
        command: See `run_command`.
        project: The folder to upload.
        said: Called with a line on what is sent, before it is sent.

    Returns:
        The job's id, and whether it is new.

    Raises:
        UsageError: A job that does something else with this sweep is running, or the upload is too large.
    """
    prefix = f"dropattack-{sweep}-{digest(store)[:8]}-"
    entrypoint = shlex.join(command)
    earlier = _jobs(client, prefix)
    number, last = max(earlier.items(), default=(0, None))
    if last is not None and not JobStatus(last.status).is_terminal():
        return _running(last, entrypoint), False
    job = f"{prefix}{number + 1}"
    with tempfile.TemporaryDirectory() as folder:
        package = pack(project, Path(folder) / "project.zip")
        said(what_is_sent(project))
        variables = {CLIENT_PYTHON: python_version(), CLIENT_CODE: " ".join(code_state(project)).strip()}
        environment = {"working_dir": str(package), "env_vars": variables}
        try:
            client.submit_job(entrypoint=entrypoint, runtime_env=environment, submission_id=job)
        except RuntimeError as error:
            other = _jobs(client, prefix).get(number + 1)
            if other is None:
                raise UsageError(f"the cluster refused the job: {' '.join(str(error).split())}") from None
            return _running(other, entrypoint), False
    return job, True


def follow(client: JobSubmissionClient, job: str, write: Callable[[str], object]) -> int:
    """Writes what a job prints until it has ended.

    Returns:
        Its exit status; 1 if it was stopped or killed.

    Raises:
        RunError: The cluster does not answer any more.
    """
    output = _Output(write)
    heard = time.monotonic()
    while True:
        try:
            asyncio.run(_read_logs(client, job, output))
            details = client.get_job_info(job)
        except (OSError, RuntimeError, aiohttp.ClientError) as error:
            if time.monotonic() - heard > _PATIENCE_SECONDS:
                raise RunError(f"the cluster does not answer any more ({error}); submit again") from None
        else:
            heard = time.monotonic()
            if details.status is JobStatus.SUCCEEDED:
                return 0
            if details.status.is_terminal():
                reason = (details.message or "").strip() or "no reason given"
                write(f"job {job} {details.status.value.lower()}: {reason.splitlines()[0]}\n")
                return 2 if details.driver_exit_code == 2 else 1
        time.sleep(_RECONNECT_SECONDS)


class _Output:
    """Writes each part of a text once, even if the text is read from its beginning several times."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._written = self._position = 0

    def rewind(self) -> None:
        """Expects the text from its beginning."""
        self._position = 0

    def add(self, text: str) -> None:
        """Takes the next part of the text."""
        fresh = text[max(0, self._written - self._position) :]
        self._position += len(text)
        if fresh:
            self._write(fresh)
            self._written = self._position


async def _read_logs(client: JobSubmissionClient, job: str, output: _Output) -> None:
    output.rewind()
    async for text in client.tail_job_logs(job):
        output.add(text)


def _check_token_file() -> None:
    """Refuses a token file that others can read, as Ray makes it: they could run anything on the cluster."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if os.environ.get("RAY_AUTH_MODE") == "token" and path.is_file() and path.stat().st_mode & 0o077:
        raise UsageError(f"the token in {path} can be read by others; run: chmod 600 {path}")


def _jobs(client: JobSubmissionClient, prefix: str) -> dict[int, JobDetails]:
    """Jobs by number."""
    names = ((job.submission_id or "", job) for job in client.list_jobs())
    return {
        int(name.removeprefix(prefix)): job
        for name, job in names
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    }


def _running(job: JobDetails, entrypoint: str) -> str:
    if job.entrypoint != entrypoint:
        raise UsageError(
            f"job {job.submission_id} runs this sweep with other options ({job.entrypoint}); "
            f"wait for it, or end it with: ray job stop {job.submission_id}"
        )
    return str(job.submission_id)
