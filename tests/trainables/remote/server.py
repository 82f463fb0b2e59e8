"""An S3 server on the loopback (moto's), whose answers a test can spoil."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"
REFUSED, LOST, SLOW, GONE, DENIED = "refused", "lost", "slow", "gone", "denied"
"""What can happen to a request: status 503; carried out and answered by 500; carried out after a while; 503
for ever, and 403 for ever."""


class Spoiled:
    """A WSGI application in front of another one.

    Attributes:
        faults: What happens to the next requests that match, one after the other.
        matches: Which do, by method and path.
        delay: How many seconds longer every request takes.
        seen: Methods and paths of all requests since the last `heal`.
        ignores_conditions: Whether objects are created although they are there.
        rate: Bytes that each answer to a GET may have in a second; any number where it is 0.
    """

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self._inner = inner
        self.heal()

    def heal(self) -> None:
        """Answers well from now on."""
        self.faults: list[str] = []
        self.matches: Callable[[str, str], bool] = lambda method, path: True
        self.delay = 0.0
        self.seen: list[tuple[str, str]] = []
        self.ignores_conditions = False
        self.rate = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.seen.append((method, path))
        time.sleep(self.delay)
        fault = self.faults[0] if self.faults and self.matches(method, path) else ""
        if fault and fault not in (GONE, DENIED):
            self.faults.pop(0)
        if fault in (REFUSED, GONE):
            start("503 Slow Down", [("Content-Type", "text/plain")])
            return [b"busy"]
        if fault == DENIED:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"denied"]
        if self.ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if fault == SLOW:
            time.sleep(1.5)
        if fault == LOST:
            list(self._inner(environ, lambda *args: None))
            start("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"lost"]
        answer = self._inner(environ, start)
        return _slowly(b"".join(answer), self.rate) if self.rate and method == "GET" else answer


def _slowly(content: bytes, rate: int) -> Iterator[bytes]:
    step = rate // 20
    for start in range(0, len(content), step):
        time.sleep(1 / 20)
        yield content[start : start + step]


@contextmanager
def s3_server(patch: pytest.MonkeyPatch) -> Iterator[Spoiled]:
    """Serves S3 with one empty bucket, to which the environment points; one at a time in a process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = Spoiled(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "ann",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield application
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
