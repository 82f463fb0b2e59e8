"""The command that goes on with a sweep, after its store has moved."""

import shlex
from pathlib import Path

import pytest

from search.records.moved import command_at


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DROPATTACK_STORE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("typed", "store"),
    [
        ("dropattack run a.yaml", "runs"),
        ("dropattack run a.yaml --store runs --set seeds=3", "./runs"),
        ("dropattack run a.yaml --store ~/kept", "home/kept"),
        ('dropattack run a.yaml --store "$HOME"/kept', "home/kept"),
        ("dropattack run a.yaml --store s3://bucket/place", "s3://bucket/place"),
        ("study.py --store elsewhere", "runs"),
        ("", "runs"),
    ],
)
def test_a_command_that_leads_to_the_store_stays_as_it_is(typed: str, store: str) -> None:
    assert command_at(typed, store) == typed


@pytest.mark.parametrize("store", ["moved", "a moved place", "s3://bucket/place"])
@pytest.mark.parametrize(
    "typed",
    [
        "dropattack run a.yaml",
        "dropattack run a.yaml --store ../old --set 'seeds=[1, 2]'",
        "dropattack run a.yaml --store='old place' --data d",
        "python -m search run a.yaml --store s3://other/place",
    ],
)
def test_one_that_leads_elsewhere_is_led_here(typed: str, store: str) -> None:
    """A shell reads the same words, but for the store."""
    words = shlex.split(command_at(typed, store).replace("--store=", "--store "))
    assert words[words.index("--store") + 1] == store
    left = [word for word in words if word not in ("--store", store)]
    before = shlex.split(typed.replace("--store=", "--store "))
    if "--store" in before:
        del before[before.index("--store") : before.index("--store") + 2]
    assert left == before


def test_the_store_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPATTACK_STORE", "kept")
    assert command_at("dropattack run a.yaml", "kept") == "dropattack run a.yaml"
    assert command_at("dropattack run a.yaml", "runs") == "dropattack run a.yaml --store runs"
