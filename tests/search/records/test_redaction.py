"""Nothing that is printed or recorded holds a password."""

from pathlib import Path

import pytest

from search.records.journal import exclusive
from search.records.provenance import command_line
from search.records.redaction import without_credentials
from search.tracking.projection import Projection
from search.tracking.shown import shown_runs
from tests.search.simulation import engine, sweep


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


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("401 Bearer x", "401 Bearer ***"),
        ("Authorization: Bearer abc.def, again", "Authorization: Bearer ***, again"),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': 'Bearer ***'}"),
        ("authorization: Basic YW5uOng=", "authorization: Basic ***"),
        ("authorization=abc", "authorization=***"),
        ("sent bearer abcdef1234", "sent bearer ***"),
        ("https://host/?key=abc&x=1", "https://host/?key=***&x=1"),
        ("key=a1b2c3d4e5f6a7b8c9d0e1 is wrong", "key=*** is wrong"),
        ("A_PASSWORD=hunter run", "A_PASSWORD=*** run"),
        ("DB_PASS=x; ENCRYPTION_KEY='a b' MYSQL_PWD=x", "DB_PASS=***; ENCRYPTION_KEY=*** MYSQL_PWD=***"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+", "AWS_SECRET_ACCESS_KEY=***"),
        ("aws_secret_access_key = abc1/def+", "aws_secret_access_key = ***"),
        ("spark.hadoop.password=x", "spark.hadoop.password=***"),
        ('{"password": "x", "user": "ann"}', '{"password": ***, "user": "ann"}'),
        ("Client(api_key='x', secret=\"y\")", "Client(api_key=***, secret=***)"),
        ("password: s3cret", "password: ***"),
        ("AccountKey=abc==;EndpointSuffix=core", "AccountKey=***;EndpointSuffix=core"),
        ("run --token abc --api-key 'a b' demo", "run --token *** --api-key *** demo"),
        ("run --db-password=x demo", "run --db-password=*** demo"),
        ("with hf_abcdefghijklmnopqrstuvwxyz it", "with *** it"),
        ("AKIAABCDEFGHIJKLMNOP and ghp_abcdefghijklmnopqrst", "*** and ***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abc", "***"),
    ],
)
def test_secrets_in_words_are_left_out(text: str, clean: str) -> None:
    assert without_credentials(text) == clean
    assert without_credentials(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "--set takes path.to.key=value, not 'x'",
        "model.pt (seed 0, key d521c771a3d7f7d2) key=d521c771a3d7f7d2",
        "PWD=/work OLDPWD=/home/ann",
        "--set data.tokenizer=bert --set model.pad_token=3 eos_token=</s>",
        "norm_over=token, text_input: tokens, max_tokens=100, n_tokens: 128000",
        "backward_pass=3 second_pass=4, passes=2",
        "the password is missing; password: is missing",
        "training.token: must be a number; secret: no such option",
        "Bearer tokens are refused; the bearer of a note; Basic training",
        "a signature: (a, b); authorization: none needed",
        "keys=3 monkey=4 turkeys=200000000000000000000a",
        "--tokenizer bert-base-uncased --token-limit 512 --keys 5",
        "sk-learn, task-sk-learn-1-something-else-very-long",
        "viewStateShareKey=dropattack-configurations",
        "stages.search.methods.dropattack.targets=input+conv1.w",
    ],
)
def test_harmless_words_stay(text: str) -> None:
    assert without_credentials(text) == text


def test_a_command_and_the_reason_of_a_failure_are_recorded_without_secrets(tmp_path: Path) -> None:
    words = ["mine.py", "--token", "abc", "A_PASSWORD=hunter", "--name", "ann", "--key-file", "k"]
    assert command_line(words) == "mine.py --token '***' 'A_PASSWORD=***' --name ann --key-file k"
    path = tmp_path / "journal.log"
    with exclusive(tmp_path):
        tested = engine(tmp_path, sweep())
        record = tested.next()
        assert record is not None
        tested.fail(record.key, "refused: Authorization: Bearer abc1, API_KEY=abc2, host db")
    assert record.reason == "refused: Authorization: Bearer ***, API_KEY=***, host db"
    assert b"abc" not in path.read_bytes()


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
