"""Nothing that is printed or recorded holds a password."""

from pathlib import Path

import pytest

from search.records.redaction import without_credentials
from search.tracking.projection import Projection
from search.tracking.shown import shown_runs
from tests.search.simulation import sweep


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://ann:s3cret@host:5000/x", "http://host:5000/x"),
        ("postgresql://ann:s3@cret@host/db", "postgresql://host/db"),
        ("postgresql:///db?user=ann&password=s3cret", "postgresql:///db?user=ann&password=***"),
        ("no answer from https://ann:s3cret@host: gone", "no answer from https://host: gone"),
        ("sqlite:////runs/a@b/mlflow.db", "sqlite:////runs/a@b/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
        (
            "postgresql://ann:s3/cr/et@host/db?sslpassword=s3cret&a=b",
            "postgresql://host/db?sslpassword=***&a=b",
        ),
        ("http://ann:s3@cr/e@t@host/db", "http://host/db"),
        ("http://ann:s3?cret@host/db http://ann:s3#cret@host", "http://host/db http://host"),
        ("http://:s3/cret@host, https://s3cret@host/x", "http://host, https://host/x"),
        ("https://host/?token=s3cret&x=1", "https://host/?token=***&x=1"),
        ("https://host/?x=1&access_token=s3cret#a", "https://host/?x=1&access_token=***"),
        (
            "https://host/?X-Amz-Signature=s3cret;apiKey=s3cret",
            "https://host/?X-Amz-Signature=***;apiKey=***",
        ),
        ("https://host/#access_token=s3cret&x=1", "https://host/#access_token=***&x=1"),
        ("https://host/?pass=s3cret&db_auth=s3cret&x=1", "https://host/?pass=***&db_auth=***&x=1"),
        ("https://host/?compass=north#author=ann", "https://host/?compass=north#author=ann"),
        ("host=db password=s3cret sslPassword='s3'", "host=db password=*** sslPassword=***"),
        ("run mine.yaml --set data.tokenizer=notebook", "run mine.yaml --set data.tokenizer=notebook"),
        ("http://host:5000/x@y", "http://y"),
        ("https://host/x@y?page=2", "https://host/x@y?page=2"),
        ("see sqlite:////a:b@c and mail ann@host", "see sqlite:////a:b@c and mail ann@host"),
    ],
)
def test_user_names_and_passwords_leave_urls_and_nothing_else_does(text: str, clean: str) -> None:
    assert without_credentials(text) == clean


def test_a_server_that_is_down_is_complained_about_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://ann:s3cret@127.0.0.1:1"
    projection = Projection(uri, sweep(), None, {})
    projection.start([])
    projection.drain(0)
    warning = projection.close([])
    assert "127.0.0.1:1" in warning
    assert "s3cret" not in warning + projection.problem
    assert "s3cret" not in shown_runs(uri, "small").url
