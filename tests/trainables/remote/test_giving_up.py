"""A bucket of which nobody waits for an answer any longer."""

import threading

import pytest

from tests.patience import PATIENCE_SECONDS
from trainables.remote import bucket as remote
from trainables.remote.address import Address
from trainables.remote.bucket import RemoteError
from trainables.remote.opening import open_bucket


def test_a_bucket_that_is_given_up_tries_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_PATIENCE_SECONDS", 1e6)
    bucket = open_bucket(Address.parse("memory://sending/given-up"))
    tried, raised = threading.Semaphore(0), list[Exception]()

    def away(name: str, request: object) -> None:
        tried.release()
        raise remote._PassingError("away")

    def put() -> None:
        try:
            bucket.put("x", b"")
        except RemoteError as error:
            raised.append(error)

    monkeypatch.setattr(bucket, "_try", away)
    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    for _ in range(2):
        assert tried.acquire(timeout=PATIENCE_SECONDS)
    bucket.give_up(True)
    thread.join(PATIENCE_SECONDS)
    assert [str(error).partition(",")[0] for error in raised] == ["away"]
    put()
    assert len(raised) == 2, "nor is what comes later"
    bucket.give_up(False)
    monkeypatch.undo()
    bucket.put("x", b"y")
    assert bucket.read("x") == b"y"
