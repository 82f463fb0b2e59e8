"""What is created or replaced on a condition: on servers that answer a conflict, and on Google's."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import obstore
import pytest
from obstore.store import GCSStore
from typing_extensions import override

from trainables.remote.address import Address
from trainables.remote.bucket import Bucket
from trainables.remote.opening import open_bucket


class _Google(BaseHTTPRequestHandler):
    """Objects with generations, by which alone one is replaced, as Google's XML API has it."""

    objects: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        now, _ = self.objects.get(self.path, (0, b""))
        if int(self.headers.get("x-goog-if-generation-match", now)) != now:
            self._answer(412, 0)
            return
        self.objects[self.path] = (now + 7, content)
        self._answer(200, now + 7)

    def do_HEAD(self) -> None:
        now, content = self.objects[self.path]
        self._answer(200, now, len(content))

    def do_GET(self) -> None:
        now, content = self.objects[self.path]
        self._answer(200, now, len(content))
        self.wfile.write(content)

    def _answer(self, status: int, generation: int, length: int = 0) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{generation}"')
        self.send_header("x-goog-generation", str(generation))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def google() -> Iterator[Bucket]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Google)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    account = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    place = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
    objects = GCSStore(
        "bucket",
        service_account_key=json.dumps(account | place),
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    yield Bucket(Address("gs", "bucket"), objects)
    server.shutdown()
    server.server_close()


def test_google_s_objects_are_replaced_by_their_versions(google: Bucket) -> None:
    assert google.create("lease", b"1")
    assert not google.create("lease", b"2")
    first = google.tag("lease")
    second = google.replace("lease", b"2", first)
    assert second
    assert google.replace("lease", b"3", second)
    google.tag("lease")
    assert google.read("lease") == b"3"


def test_a_dead_holder_s_object_on_google_s_is_replaced_unless_it_changes(google: Bucket) -> None:
    google.put("lease", b"dead")
    seen = google.tag("lease")
    google.put("lease", b"not dead")
    assert google.replace("lease", b"mine", seen) is None
    assert google.replace("lease", b"mine", google.tag("lease"))


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_write_that_conflicts_with_one_under_way_is_made_again(
    monkeypatch: pytest.MonkeyPatch, took_effect: bool
) -> None:
    """S3 answers 409 while another request for an object is under way: nothing says that it will succeed."""
    bucket = open_bucket(Address("memory", "conflicts", str(took_effect)))
    put, conflicts = obstore.put, ["timeout", "409"]

    def conflicting(objects: Any, name: str, content: bytes, **more: Any) -> Any:
        if not conflicts:
            return put(objects, name, content, **more)
        if conflicts.pop(0) == "timeout":
            raise obstore.exceptions.GenericError("no answer in time")
        if took_effect:
            put(objects, name, content, **more)
        raise obstore.exceptions.AlreadyExistsError("409 Conflict")

    monkeypatch.setattr(obstore, "put", conflicting)
    assert bucket.create("one", b"mine")
    assert bucket.read("one") == b"mine"
    conflicts[:] = ["409"]
    if not took_effect:
        assert bucket.replace("one", b"next", bucket.tag("one"))
        assert bucket.read("one") == b"next"
