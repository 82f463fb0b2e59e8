"""Pages that are followed: their blocks are carried out in their order, as someone who reads them would."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from typer.testing import CliRunner

from search import service
from search.cli import app
from search.engine.engine import Engine
from search.execution import tuning
from tests.docs.pages import ROOT, text_of
from trainables.disk import model_path
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.workloads import _imported, workload_named

_NUMBER = r"[+−-]?\d[\d.,]*(?: (?:s|min|h)\b)?|…"
_ANSWERS = ("At equal cost", "At equal epochs", "Use ", "Layers: ", "Next: ")
"""How lines begin that say what trainings answered, which may be another answer elsewhere."""


class Shell(Protocol):
    """Someone's folder and what is done in it; each returns what that prints."""

    folder: Path

    def dropattack(self, *arguments: str) -> str:
        """A command that must succeed."""

    def python(self, code: str) -> str:
        """A program that must succeed."""

    def enter(self, folder: str) -> None:
        """Goes into a folder."""

    def find_modules(self) -> None:
        """Has Python find the modules of the folder."""


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of all fenced blocks of a page."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def follow(page: str, shell: Shell) -> str:
    """Carries out a page's blocks and compares what it shows.

    A ``bash`` block is typed. A ``python`` or ``yaml`` block that begins with a file's name in a comment is
    that file; another ``python`` block is run. A ``text`` block is what the block before it prints.

    Returns:
        All that was printed.
    """
    every = []
    for language, code in blocks(page):
        file = re.match(r"# (\w+\.\w+)\b", code)
        if language == "text":
            assert missing_lines(code, every[-1]) == [], every[-1]
        elif language == "bash":
            lines = code.replace("\\\n", "").splitlines()
            every.append("".join(_typed(shlex.split(line, comments=True), shell) for line in lines))
        elif file is not None:
            (shell.folder / file[1]).write_text(code, encoding="utf-8")
        else:
            assert language == "python", f"nobody has said how to follow this block: {code}"
            every.append(shell.python(code))
    return "".join(every)


def _typed(words: list[str], shell: Shell) -> str:
    """What a line of a shell prints."""
    match words:
        case ["dropattack", *arguments]:
            return shell.dropattack(*arguments)
        case ["cd", folder]:
            shell.enter(folder)
        case ["export", "PYTHONPATH=$PWD"]:
            shell.find_modules()
        case [_, *_]:
            raise AssertionError(f"nobody has said how to follow this line: {shlex.join(words)}")
    return ""


def missing_lines(shown: str, printed: str) -> list[str]:
    """Lines that a page shows and that nothing printed is like, in their order.

    Numbers may be others, and so may what stands for ``…``, and an answer. What is indented by four goes on
    with the line above.
    """
    shown = re.sub(r"\n {4}(?=\S)", " ", shown)
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    wanted = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    return [line for line in wanted if not any(re.search(_like(line), given) for given in lines)]


def _like(line: str) -> str:
    """What matches a line with other numbers, or another answer, in it."""
    for beginning in _ANSWERS:
        if line.startswith(beginning):
            return f"^{beginning}"
    return r".*?".join(map(re.escape, re.split(_NUMBER, line)))


class Here:
    """A shell in this process, where sweeps train one trial after the other and without Ray."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: Callable[[], str]) -> None:
        self.folder, self._patch, self._capture = folder, patch, capture
        self._names: dict[str, Any] = {}

    def dropattack(self, *arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{arguments}\n{done.output}"
        return done.output

    def python(self, code: str) -> str:
        self._capture()
        exec(compile(code, "a block", "exec"), self._names)
        return self._capture()

    def enter(self, folder: str) -> None:
        self.folder /= folder
        self._patch.chdir(self.folder)

    def find_modules(self) -> None:
        self._patch.syspath_prepend(self.folder)


@contextmanager
def here(folder: Path, capture: Callable[[], str] = str) -> Iterator[Here]:
    """A shell in an empty folder; what was imported from there is forgotten afterwards.

    Args:
        folder: The folder.
        capture: Returns what was printed since it was last called.
    """
    before, threads = set(sys.modules), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setattr(service, "_connect", lambda *_: None)
        patch.setattr(tuning, "run", _train)
        torch.set_num_threads(1)
        yield Here(folder, patch, capture)
    torch.set_num_threads(threads)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or ROOT).is_relative_to(folder):
            del sys.modules[name]
    _imported.cache_clear()


def _train(engine: Engine, folder: Path, data: Path, verbose: bool) -> None:
    """Trains as Ray's trials do."""
    while (record := engine.next()) is not None:
        training = Training(record.trial, workload_named(record.trial.workload).load(data, record.trial.data))
        while engine.report(record.key, training.epoch()):
            pass
        if training.finished:
            save_atomically(training.result(), model_path(folder, record.key))
