"""The server of these tests."""

from collections.abc import Iterator

import pytest

from tests.trainables.remote.server import Spoiled, s3_server


@pytest.fixture(scope="module")
def _served() -> Iterator[Spoiled]:
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as application:
        yield application


@pytest.fixture
def server(_served: Spoiled) -> Iterator[Spoiled]:
    """An S3 server that answers well until a test says otherwise."""
    _served.heal()
    yield _served
    _served.heal()
