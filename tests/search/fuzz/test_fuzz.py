"""Whatever a request is, it is carried out, or is one line and status 2, and leaves nothing behind."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli import app
from search.console.command import answer
from tests.search.fuzz import requests

FEW, MANY = 60, 600
"""How many of each of the three kinds."""
MODULES = {
    "okmod": "import sys\nx = 3\nnumber = 1.5\ndef raises():\n    1 / 0\ndef ends():\n    sys.exit(0)\n",
    "exits": "import sys\nsys.exit(0)\n",
    "raises": "raise RuntimeError('two\\nlines')\n",
    "syntax": "def f(:\n",
}
Ask = Callable[..., None]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Makes a request in an empty folder, and checks what comes of it."""
    here, modules = tmp_path / "here", tmp_path / "modules"
    here.mkdir()
    modules.mkdir()
    for name, text in MODULES.items():
        (modules / f"{name}.py").write_text(text)
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [str(modules), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "ftp://nowhere")

    def asked(*words: str) -> None:
        status = answer(app, words)
        said = capfd.readouterr()
        assert status in (0, 2) or (status == 1 and words[:2] == ("data", "verify")), (status, said)
        if status == 0:
            assert said.out or words in ((), ("status",)), words
        elif status == 2 and said.err:
            assert said.err.startswith("dropattack: "), said
            assert said.err.count("\n") == 1, said
            assert len(said.err) < 4000, said
        assert "Traceback" not in said.out + said.err
        assert "Input should" not in said.err, "pydantic's words"
        assert "<unicode string>" not in said.err, "PyYAML's words"
        assert "\x1b" not in said.err
        assert not list(here.iterdir())

    return asked


def sweeps(ask: Ask, folder: Path, count: int) -> None:
    file = folder / "mine.yaml"
    for number in range(count):
        file.write_bytes(requests.sweep_text(number).encode("utf-8", "surrogatepass"))
        try:
            ask("plan", str(file))
        except BaseException as error:
            error.add_note(f"sweep {number}: {file.read_text(errors='replace')[:3000]}")
            raise


def settings(ask: Ask, folder: Path, count: int) -> None:
    file = folder / "mine.yaml"
    file.write_text(requests.BASE)
    for number in range(count):
        text = requests.override(number)
        try:
            ask("plan", str(file), "--set", text)
        except BaseException as error:
            error.add_note(f"--set {number}: {text[:3000]!r}")
            raise


def commands(ask: Ask, folder: Path, count: int) -> None:
    file = folder / "mine.yaml"
    file.write_text(requests.BASE)
    for number in range(count):
        words = requests.words(number, file)
        try:
            ask(*words)
        except BaseException as error:
            error.add_note(f"words {number}: {words}")
            raise


KINDS = (sweeps, settings, commands)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_requests(ask: Ask, tmp_path: Path, kind: Callable[[Ask, Path, int], None]) -> None:
    kind(ask, tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_requests(ask: Ask, tmp_path: Path, kind: Callable[[Ask, Path, int], None]) -> None:
    kind(ask, tmp_path, MANY)
