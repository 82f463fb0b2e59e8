"""An address hears once how a run ended; that it does not hear costs a warning and nothing else."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import search.notification
import search.session
from dropattack import UsageError
from search.definition.sweepfile import load_sweep, parse_sweep
from search.execution import tuning
from search.execution.errors import RunError
from search.notification import End, message_of, post
from search.records.provenance import command_line
from search.records.record import Record
from search.records.store import Store
from search.results.outcome import Outcome
from search.service import run_sweep
from search.submission.jobs import run_command
from tests.search.records.nodes import Nodes
from tests.search.simulation import simulated, sweep
from tests.search.test_service import GRID, TRIALS, FakeProjection, half_way, raising

SECRET = "T0K3N"


class Webhook:
    """A server on loopback that keeps what is posted to it.

    Attributes:
        statuses: How it answers, in turn; the last one for ever. None waits until the server is closed.
        heard: Path, type of content and message of each request.
    """

    def __init__(self) -> None:
        self.statuses: list[int | None] = [200]
        self.heard: list[tuple[str, str | None, Any]] = []
        self.closed = threading.Event()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
                turn = min(len(webhook.heard), len(webhook.statuses)) - 1
                status = webhook.statuses[turn]
                if status is None:
                    webhook.closed.wait()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{SECRET}"

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for _, _, message in self.heard]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setattr(search.notification, "PAUSE_SECONDS", 0.0)
    hook = Webhook()
    yield hook
    hook.closed.set()
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture(autouse=True)
def _without_mlflow(without_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.session, "Projection", FakeProjection)


@pytest.fixture
def _no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of ends that have nothing to do with what a report takes seconds for."""
    monkeypatch.setattr(search.session, "write_report", lambda *_: tmp_path / "report.html")


def _run(folder: Path, url: str, **changes: Any) -> Outcome:
    definition = sweep(**{**GRID, "notify": {"url": url}, **changes})
    return run_sweep(definition, Store(folder / "runs"), folder, Console(quiet=True))


def test_a_sweep_that_ends_is_told_once_with_its_counts_and_verdict(tmp_path: Path, webhook: Webhook) -> None:
    outcome = _run(tmp_path, webhook.url)
    assert outcome.warning == ""
    ((path, kind, message),) = webhook.heard
    assert (path, kind) == (f"/{SECRET}", "application/json")
    text, verdict = message.pop("text"), message.pop("verdict")
    assert message.pop("seconds") > 0
    assert message == {
        "sweep": "small",
        "state": "finished",
        "trials": {"complete": TRIALS, "stopped": 0, "failed": 0, "unfinished": 0, "total": TRIALS},
        "error": "",
        "store": str(tmp_path / "runs"),
    }
    assert outcome.verdict is not None
    assert verdict == f"digits-lenet5: {outcome.verdict['verdicts'][0]['lines'][0]}"
    assert text.startswith("small finished after ")
    assert f"{TRIALS} complete" in text


def _interrupted(engine: Any, *_: object) -> None:
    record: Record = engine.next()
    engine.report(record.key, {"epoch": 1, "valid_accuracy": 0.5, "train_loss": 1.0, "seconds": 0.1})


@pytest.mark.usefixtures("_no_report")
@pytest.mark.parametrize(
    ("run", "changes", "state", "counts", "meant"),
    [
        (half_way(RuntimeError("disk: http://ann:pw@host")), {}, "failed", [1, 1], RuntimeError),
        (half_way(OSError("broke")), {}, "failed", [1, 1], RunError),
        (half_way(KeyboardInterrupt()), {}, "interrupted", [1, 1], KeyboardInterrupt),
        (_interrupted, {}, "interrupted", [0, 1], None),
        (simulated, {"limits": {"trials": 2}}, "limit", [2, 0], None),
    ],
)
def test_every_other_end_is_told_for_what_it_is(
    tmp_path: Path,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., None],
    changes: dict[str, Any],
    state: str,
    counts: list[int],
    meant: type[BaseException] | None,
) -> None:
    monkeypatch.setattr(tuning, "run", run)
    if meant is None:
        _run(tmp_path, webhook.url, **changes)
    else:
        with pytest.raises(meant):
            _run(tmp_path, webhook.url, **changes)
    (message,) = webhook.messages
    assert message["state"] == state
    assert [message["trials"]["complete"], message["trials"]["unfinished"]] == counts
    assert "pw" not in str(message)
    assert bool(message["error"]) == (state == "failed")


def test_a_request_that_is_refused_tells_nobody(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "connect", raising(UsageError("no cluster")))
    with pytest.raises(UsageError):
        _run(tmp_path, webhook.url)
    assert webhook.heard == []


@pytest.mark.parametrize(
    ("statuses", "asked", "why"),
    [
        ([500, 200], 2, ""),
        ([503], 2, "it answered with status 503, twice"),
        ([404], 1, "it answered with status 404"),
        ([302], 1, "it answered with status 302, a redirection; set notify.url to its target"),
        ([307], 1, "it answered with status 307, a redirection; set notify.url to its target"),
        ([None, 204], 2, ""),
        ([None], 2, "it did not answer within 0.2 seconds, twice"),
    ],
)
def test_a_server_that_fails_is_asked_twice_and_the_rest_once(
    webhook: Webhook, statuses: list[int | None], asked: int, why: str
) -> None:
    webhook.statuses = statuses
    assert post(webhook.url, {"a": 1}, patience=0.2) == why
    assert webhook.messages == [{"a": 1}] * asked
    assert {path for path, _, _ in webhook.heard} == {f"/{SECRET}"}


def test_a_store_at_an_address_is_named_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of this node's copy says nothing to whoever hears."""
    nodes = Nodes(monkeypatch, tmp_path)
    message = message_of("small", nodes.store("a"), "failed", None, 1.0, None)
    assert message["store"] == nodes.address


@pytest.mark.usefixtures("_no_report")
def test_where_nobody_listens_the_run_ends_as_it_would_with_a_warning_that_names_the_host(
    tmp_path: Path, webhook: Webhook
) -> None:
    webhook.server.server_close()
    outcome = _run(tmp_path, webhook.url)
    assert outcome.done
    assert not outcome.failed
    assert outcome.warning == (
        "the message about the sweep's end did not reach 127.0.0.1: it cannot be reached, twice"
    )


def test_the_address_is_recorded_nowhere_and_changes_no_trial_and_no_definition(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["dropattack", "run", "s.yaml", "--set", f"notify.url={webhook.url}"])
    told = _run(tmp_path, webhook.url)
    again = run_sweep(sweep(**GRID), Store(tmp_path / "runs"), tmp_path, Console(quiet=True))
    assert [record.key for record in again.records] == [record.key for record in told.records]
    assert again.trained == 0
    assert len(webhook.heard) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "runs.json" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in repr(sweep(**GRID, notify={"url": webhook.url}))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/x",
        f"ftp://example.org/{SECRET}",
        f"file:///{SECRET}",
        f"https:///{SECRET}",
        f"https://example.org:99999/{SECRET}",
        f"https://exa mple.org/{SECRET}",
        f"http://[::1/{SECRET}",
        f"http://example.org/{SECRET}\n",
        5,
        [SECRET],
        None,
    ],
)
def test_what_is_no_address_is_refused_without_being_said(url: object) -> None:
    with pytest.raises(UsageError, match=r"^s: notify\.url: ") as refused:
        parse_sweep({"name": "s", "workload": "w", "stages": [{"name": "g"}], "notify": {"url": url}}, "s")
    assert SECRET not in str(refused.value)


def test_keys_beside_the_address_are_refused_and_scales_hold_none() -> None:
    with pytest.raises(UsageError, match="notify: unknown key 'uri'; did you mean 'url'"):
        sweep(notify={"uri": "http://example.org"})
    with pytest.raises(UsageError, match="scales are recorded, and notify must not be"):
        sweep(scales={"quick": {"notify.url": "http://example.org"}})


@pytest.mark.parametrize(
    "words", [["--set", "notify.url=http://h/T0K3N"], ["--set=notify={url: 'http://h/T0K3N'}"]]
)
def test_a_command_line_is_noted_without_it(words: list[str]) -> None:
    assert SECRET not in command_line(["dropattack", "run", "demo", *words])
    assert "notify" in command_line(["dropattack", "run", "demo", *words])


def test_what_the_command_line_changed_is_said_without_it() -> None:
    found = load_sweep("demo", {"notify.url": f"http://h/{SECRET}", "training.epochs": 2})
    assert found.notify is not None
    assert found.summary.endswith("Changed: training.epochs=2.")


def test_a_job_takes_it_in_its_sweep_file_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="others could read the address of notify in the job's command"):
        run_command("demo", "", "", "", [f"notify.url=http://h/{SECRET}"], tmp_path)


def test_an_end_that_interrupts_the_process_is_told_from_any_thread(tmp_path: Path, webhook: Webhook) -> None:
    end = End(sweep(**GRID, notify={"url": webhook.url}), Store(tmp_path / "runs"))
    teller = threading.Thread(target=end.interrupted)
    teller.start()
    teller.join()
    assert webhook.messages[0]["state"] == "interrupted"


@pytest.mark.usefixtures("_no_report")
def test_a_sigterm_that_the_main_thread_cannot_answer_is_told_before_the_process_ends(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What such an end calls last is called here, in the middle of a run, which then comes to its end."""

    @contextmanager
    def unanswered(close: Callable[[], object]) -> Iterator[None]:
        close()
        yield

    monkeypatch.setattr(search.session, "ends_unanswered", unanswered)
    monkeypatch.setattr(FakeProjection, "close", lambda *_: "")
    _run(tmp_path, webhook.url)
    assert [message["state"] for message in webhook.messages] == ["interrupted", "finished"]
