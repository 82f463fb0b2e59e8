"""Requests for stores at an address that cannot be used: one line, exit status 2, and nothing is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from dropattack.testing.stores.cases import small_sweep, some_trial
from search.records import holding
from search.records.journal import exclusive
from search.records.store import Store
from tests.trainables.remote.server import BUCKET, DENIED, GONE, REFUSED, Spoiled, s3_server
from trainables.remote import bucket
from trainables.remote.address import Address
from trainables.remote.opening import open_bucket

Command = Callable[..., Result]

SWEEP = """
name: small
workloads: [digits-lenet5]
training: {epochs: 1}
stages: [{name: grid, methods: {standard: {}}}]
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Spoiled]:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bucket, "FIRST_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(bucket, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(holding, "BEAT_SECONDS", 0.1)
    (tmp_path / "small.yaml").write_text(SWEEP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with s3_server(monkeypatch) as application:
        yield application


def objects() -> list[str]:
    return [each.name for each in open_bucket(Address("s3", BUCKET)).under("")]


def denied(server: Spoiled) -> None:
    """Lets nobody write."""
    server.matches = lambda method, path: method == "PUT"
    server.faults = [DENIED]


CASES: dict[str, tuple[str, Callable[[Spoiled, pytest.MonkeyPatch], object], str]] = {
    "no bucket": ("s3://nowhere/in", lambda *_: None, "there is no bucket 'nowhere'"),
    "no credentials": (
        f"s3://{BUCKET}/in",
        lambda _, patch: patch.delenv("AWS_SECRET_ACCESS_KEY") or patch.delenv("AWS_ACCESS_KEY_ID"),
        "credentials for s3://bucket/in",
    ),
    "no right to write": (f"s3://{BUCKET}/in", lambda server, _: denied(server), "does not let this user"),
    "no conditions": (
        f"s3://{BUCKET}/in",
        lambda server, _: setattr(server, "ignores_conditions", True),
        "cannot create an object only if there is none",
    ),
    "another version": (
        f"s3://{BUCKET}/in",
        lambda *_: open_bucket(Address("s3", BUCKET, "in")).put("dropattack.json", b'{"form": 9}'),
        "another version of this program",
    ),
    "nobody there": (
        f"s3://{BUCKET}/in",
        lambda _, patch: patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        "cannot be reached",
    ),
    "always busy": (f"s3://{BUCKET}/in", lambda server, _: server.faults.append(GONE), "cannot be reached"),
    "no such endpoint": (
        f"s3://{BUCKET}/in",
        lambda _, patch: patch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9"),
        "AWS_ENDPOINT_URL must be http://HOST:PORT",
    ),
    "no scheme of ours": ("ftp://bucket/in", lambda *_: None, "begin with s3://"),
    "no account": ("az://container/in", lambda *_: None, "set AZURE_STORAGE_ACCOUNT_NAME"),
    "one slash": ("s3:/bucket/in", lambda *_: None, "begin with s3://"),
    "a memory": ("memory://bucket/in", lambda *_: None, "only this process sees"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_store_that_cannot_be_used_is_refused(
    case: str, server: Spoiled, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    address, spoil, said = CASES[case]
    with monkeypatch.context() as patch:
        spoil(server, patch)
        done = command("run", "small.yaml", "--store", address)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.replace("│", " ").split())
    server.heal()
    assert objects() == (["in/dropattack.json"] if case == "another version" else [])


def test_a_short_absence_is_waited_out(
    server: Spoiled, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "FIRST_PATIENCE_SECONDS", 60.0)
    server.faults = [REFUSED]
    done = command("status", "--store", f"s3://{BUCKET}/in")
    assert (done.exit_code, server.faults) == (2, [])
    assert "there is no store s3://bucket/in" in done.output.replace("\n", " ")
    assert objects() == []


def test_a_store_is_copied_read_and_not_mended_at_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / "cache"))
    store, address = Store(tmp_path / "runs"), "memory://console/copied"
    with exclusive(store.folder("small")):
        store.journal(small_sweep(), writable=True).add("grid", some_trial())
        store.define(small_sweep())
    done = command("store", "copy", "runs", address)
    assert (done.exit_code, done.output) == (0, f"1 sweep copied to {address}\n")
    assert "small" in command("status", "--store", address).output
    assert "1 sweep checked: all files are whole" in command("store", "check", "--store", address).output
    for words, said in (
        (("store", "copy", "runs", address), f"{address} holds something already"),
        (("store", "copy", "nowhere", "new"), "there is no store nowhere"),
        (("store", "check", "--mend", "--store", address), f"store copy {address} FOLDER"),
    ):
        done = command(*words)
        assert (done.exit_code, said in done.output) == (2, True), done.output
