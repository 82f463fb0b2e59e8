"""What no waiting mends is told at once, in one line that says what to do; doing that mends it."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from typing_extensions import override

from dropattack import UsageError
from search.records.store import Store
from search.tracking.database import make_ready
from search.tracking.projection import Projection
from search.tracking.shown import add_metrics, shown_of
from search.tracking.trouble import lasts
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import engine
from tests.search.tracking.simulated import check_shown, named, run_simulated, shown_by

AGAIN = "`dropattack run` again"
_AT_ONCE = 3
"""Tries: one that fails, one from the beginning, and one more at the end."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished sweep and the MLflow that shows it, made once."""
    folder = tmp_path_factory.mktemp("shown")
    assert run_simulated(folder, named("broken"), f"sqlite:///{folder}/mlflow.db") == ""
    return folder


@pytest.fixture
def store(tmp_path: Path, shown: Path) -> Store:
    """A copy to damage."""
    return Store(Path(shutil.copytree(shown, tmp_path / "copy")))


def run(
    store: Store, uri: str = "", later: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[str, int]:
    """Shows a sweep that is finished; returns what is said, and how often MLflow was tried."""
    definition, tries = named("broken"), []

    def ready() -> None:
        tries.append(1)
        if not uri:
            make_ready(store)

    projection = Projection(
        uri or store.tracking_uri,
        definition,
        None if uri else store.artifacts,
        {},
        later=later,
        make_ready=ready,
    )
    projection.start(engine(store.root, definition).records)
    projection.drain(PATIENCE_SECONDS)
    return projection.close([]), len(tries)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()


def another_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")


@pytest.mark.parametrize("damage", [emptied, deleted, another_database])
def test_a_database_that_was_wiped_or_replaced_is_filled_again(
    store: Store, damage: Callable[[Path], None]
) -> None:
    damage(store.root / "mlflow.db")
    assert run(store) == ("", 1)
    check_shown(store.tracking_uri, named("broken"), engine(store.root, named("broken")).records)


def foreign(path: Path) -> None:
    path.write_bytes(b"something else " * 1000)


def halved(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\xff" * (len(content) - 200))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def changed(statement: str) -> Callable[[Path], None]:
    """Damage by a statement of SQL."""

    def change(path: Path) -> None:
        with sqlite3.connect(path) as database:
            database.execute(statement)

    return change


DAMAGES = [
    (foreign, "is damaged"),
    (halved, "is damaged"),
    (overwritten, "is damaged"),
    (a_folder, "not MLflow's database but a folder"),
    (changed("UPDATE alembic_version SET version_num = '451aebb31d03'"), "an older MLflow made the database"),
    (changed("UPDATE alembic_version SET version_num = 'ffffffffffff'"), "a newer MLflow wrote the database"),
    (changed("DROP TABLE latest_metrics"), "is damaged"),
    (changed("ALTER TABLE runs RENAME COLUMN status TO stand"), "is damaged"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_a_database_that_cannot_be_used_is_told_at_once(
    store: Store, damage: Callable[[Path], None], said: str
) -> None:
    path = store.root / "mlflow.db"
    damage(path)
    line, tries = run(store)
    assert said in line
    assert AGAIN in line
    assert len(line.splitlines()) == 1
    assert tries <= _AT_ONCE, "no waiting mends it"
    assert shown_of(store, "broken", "").ids == {}
    path.rename(store.root / "away")
    mended = Store(store.root.rename(store.root.with_name("mended")))  # MLflow keeps files open by their path
    assert run(mended) == ("", 1)
    check_shown(mended.tracking_uri, named("broken"), engine(mended.root, named("broken")).records)


class _Refusing(BaseHTTPRequestHandler):
    """A server that refuses everything."""

    code, name = 403, "PERMISSION_DENIED"

    def _refuse(self) -> None:
        body = json.dumps({"error_code": self.name, "message": "not you"}).encode()
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _refuse  # noqa: N815 - the names of the base class

    @override
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(params=[(403, "PERMISSION_DENIED"), (401, "UNAUTHENTICATED"), (404, "ENDPOINT_NOT_FOUND")])
def refusing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that refuses everything."""
    monkeypatch.setattr(_Refusing, "code", request.param[0])
    monkeypatch.setattr(_Refusing, "name", request.param[1])
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_server_that_refuses_is_told_at_once(store: Store, refusing: str) -> None:
    line, tries = run(store, refusing)
    assert "is behind by 6 trials" in line
    assert AGAIN in line
    assert tries <= _AT_ONCE
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UsageError("that is a folder"), True),
        (MlflowException("something is wrong"), False),
        (MlflowException("the run must be in the 'active' state", INVALID_PARAMETER_VALUE), True),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "no"}), True),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}), False),
        (RestException({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "later"}), False),
        (RestException({"error_code": "INTERNAL_ERROR", "message": "oh"}), False),
        (ConnectionError("refused"), False),
        (TimeoutError(), False),
        (MlflowException("(sqlite3.OperationalError) database is locked"), False),
        (MlflowException("(sqlite3.OperationalError) attempt to write a readonly database"), True),
    ],
)
def test_an_outage_passes_and_a_refusal_lasts(error: Exception, expected: bool) -> None:
    assert lasts(error) is expected


@pytest.mark.parametrize("damage", [foreign, a_folder, changed("DROP TABLE latest_metrics")])
def test_metrics_that_mlflow_does_not_take_are_told_and_shown_by_the_next_run(
    store: Store, damage: Callable[[Path], None]
) -> None:
    damage(store.root / "mlflow.db")
    key = engine(store.root, named("broken")).records[0].key
    line = add_metrics(store, "broken", "", {key: {"test_pgd_accuracy": 0.25}})
    assert "did not take the metrics" in line
    assert AGAIN in line
    (store.root / "mlflow.db").rename(store.root / "away")
    mended = Store(store.root.rename(store.root.with_name("mended")))
    assert run(mended, later={key: {"test_pgd_accuracy": 0.25}}) == ("", 1)
    shown = shown_by(mended.tracking_uri, "broken")
    (found,) = (r for r in shown if r.data.tags.get("dropattack.key") == key)
    assert found.data.metrics["test_pgd_accuracy"] == 0.25
