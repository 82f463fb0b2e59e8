"""An object is created once, whatever happens to the requests; what is refused says why in one line."""

import threading
from pathlib import Path

import pytest

from dropattack import UsageError
from tests.trainables.remote.server import BUCKET, GONE, LOST, REFUSED, SLOW, Spoiled
from trainables.remote import bucket as module
from trainables.remote import opening
from trainables.remote.address import Address, is_address
from trainables.remote.bucket import Bucket, RemoteError


@pytest.fixture(params=["s3", "memory"])
def bucket(request: pytest.FixtureRequest, server: Spoiled) -> Bucket:
    return opening.open_bucket(Address(request.param, BUCKET, f"in/{request.node.name}"[:60].strip("[]")))


def s3(prefix: str) -> Bucket:
    return opening.open_bucket(Address("s3", BUCKET, prefix))


def test_what_is_put_is_read_listed_and_deleted(bucket: Bucket) -> None:
    for name in ("a/2", "a/10", "a/b/1", "top"):
        bucket.put(name, name.encode())
    assert bucket.read("a/10") == b"a/10"
    assert bucket.read("a/3") is None
    assert [each.name for each in bucket.under("a/")] == ["a/10", "a/2", "a/b/1"]
    assert [each.name for each in bucket.under("a/", after="a/10")] == ["a/2", "a/b/1"]
    files, folders = bucket.entries("a/")
    assert ([each.name for each in files], folders) == (["a/10", "a/2"], ["b"])
    assert bucket.read_all(["a/2", "nothing", "top"]) == [b"a/2", b"", b"top"]
    bucket.delete("a/2")
    bucket.delete("a/2")
    assert (bucket.read("a/2"), bucket.tag("a/2"), bucket.found("a/2")) == (None, "", None)


def test_an_object_is_created_once(bucket: Bucket) -> None:
    assert bucket.create("one", b"first")
    assert not bucket.create("one", b"second")
    assert not bucket.create("one", b"first"), "the same from another is another's"
    assert bucket.read("one") == b"first"


def test_of_many_that_create_one_object_one_succeeds(bucket: Bucket) -> None:
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: done.append(n) if bucket.create("one", b"%d" % n) else None)
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert bucket.read("one") == b"%d" % done[0]


def test_an_object_is_replaced_only_as_it_was_seen(bucket: Bucket) -> None:
    tag = bucket.put("one", b"1")
    second = bucket.replace("one", b"2", tag)
    assert second
    assert bucket.replace("one", b"3", tag) is None
    assert bucket.read("one") == b"2"
    assert bucket.replace("one", b"4", second) == bucket.tag("one")


@pytest.mark.parametrize(
    "faults", [[REFUSED], [LOST], [REFUSED, LOST, REFUSED], [LOST, LOST]], ids=lambda each: "+".join(each)
)
def test_a_request_that_fails_is_made_again_and_counts_once(server: Spoiled, faults: list[str]) -> None:
    bucket = s3(f"fails/{'-'.join(faults)}")
    for carry_out in (
        lambda: bucket.create("made", b"1"),
        lambda: bucket.put("put", b"2"),
        lambda: bucket.replace("put", b"3", bucket.tag("put")),
    ):
        server.matches = lambda method, path: method == "PUT"
        server.faults = list(faults)
        assert carry_out()
        assert server.faults == []
    assert (bucket.read("made"), bucket.read("put")) == (b"1", b"3")


def test_a_create_that_was_lost_beside_another_s_is_not_taken_for_its_own(server: Spoiled) -> None:
    bucket = s3("beside")
    assert bucket.create("one", b"theirs")
    server.matches = lambda method, path: method == "PUT"
    server.faults = [REFUSED]
    assert not bucket.create("one", b"mine")
    assert bucket.read("one") == b"theirs"


def test_a_put_that_times_out_and_took_effect_counts_once(
    server: Spoiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "REQUEST_SECONDS", 0.5)
    bucket = s3("slow")
    server.matches = lambda method, path: method == "PUT"
    server.faults = [SLOW]
    assert bucket.create("one", b"1")
    assert [method for method, _ in server.seen].count("PUT") > 1
    assert bucket.read("one") == b"1"


def test_a_large_object_is_read_though_all_of_it_takes_longer_than_a_request_may(
    server: Spoiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr(module, "PART_BYTES", 2_000)
    bucket, content = s3("large"), bytes(range(250)) * 60 + b"end"
    bucket.put("one", content)
    server.rate = 20_000
    assert bucket.read("one") == content


def test_an_object_that_is_written_anew_while_it_is_read_is_not_mixed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 100)
    bucket.put("one", b"1" * 350)
    whole, later = bucket._in_parts, [b"2" * 350, b"3" * 20]

    def meanwhile(name: str, size: int, tag: str) -> bytes:
        if later:
            bucket.put(name, later.pop(0))
        return whole(name, size, tag)

    monkeypatch.setattr(bucket, "_in_parts", meanwhile)
    assert bucket.read("one") == b"3" * 20


def test_a_server_that_stays_away_is_given_up(server: Spoiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    bucket = s3("away")
    bucket.put("one", b"1")
    server.faults = [GONE]
    with pytest.raises(RemoteError, match=r"s3://bucket/away/two cannot be reached \(503 .*tried \d+ times"):
        bucket.create("two", b"2")
    server.heal()
    assert bucket.read("one") == b"1"


def test_a_wrong_request_is_refused_in_one_line(server: Spoiled, monkeypatch: pytest.MonkeyPatch) -> None:
    for carry_out in (
        lambda bucket: bucket.put("one", b"1"),
        lambda bucket: bucket.create("one", b"1"),
        lambda bucket: bucket.under("a/"),
        lambda bucket: bucket.entries(""),
    ):
        with pytest.raises(UsageError, match="there is no bucket 'nowhere'") as caught:
            carry_out(opening.open_bucket(Address("s3", "nowhere")))
        assert "\n" not in str(caught.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UsageError, match="no credentials for s3://bucket/in; set AWS_ACCESS_KEY_ID"):
        s3("in")


def test_nobody_there_is_found_out_soon(monkeypatch: pytest.MonkeyPatch, server: Spoiled) -> None:
    monkeypatch.setattr(module, "FIRST_PATIENCE_SECONDS", 0.3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RemoteError, match="cannot be reached"):
        s3("in").read("one")


@pytest.mark.parametrize(
    "text", ["ftp://bucket/a", "s3://", "s3:///a", "s3://ann:secret@host/a", "s3://b?x=secret"]
)
def test_what_is_no_address_is_refused_and_shows_no_password(text: str) -> None:
    with pytest.raises(UsageError, match="store must") as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["s3:/bucket/a", "gs:bucket", str(Path("az://bucket/a"))])
def test_an_address_that_lacks_a_slash_is_no_folder(text: str) -> None:
    """`pathlib` takes one of the two slashes away."""
    assert is_address(text)
    with pytest.raises(UsageError, match="the store must be a folder, or begin with s3://"):
        Address.parse(text)
    assert not any(map(is_address, ["runs/s3:/a", "/s3:", "s3", "s3/a", "a:b"]))


@pytest.mark.parametrize("text", ["s3://bucket", "gs://my-bucket/a/b c", "az://container/ö.1"])
def test_an_address_is_written_as_it_was_read(text: str) -> None:
    assert str(Address.parse(text)) == text
    assert Address.parse(f"{text}/") == Address.parse(text)
    with pytest.raises(UsageError, match="prefix"):
        Address.parse(f"{text}/../x")
