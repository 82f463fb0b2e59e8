"""Pages that are followed: their blocks are carried out in their order, in one process and without Ray."""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

Block = tuple[str, str]
"""A language and what stands in the fence."""


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def train_here(engine: Engine, folder: Path, data: Path, verbose: bool) -> None:
    """Trains in this process, one trial after the other, as Ray's do."""
    while (record := engine.next()) is not None:
        training = Training(record.trial, workload_named(record.trial.workload).load(data, record.trial.data))
        while engine.report(record.key, training.epoch()):
            pass
        if training.finished:
            save_atomically(training.result(), model_path(folder, record.key))


@contextmanager
def folder_of_ones_own(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Works in an empty folder, where sweeps train in this process; what was imported from it is forgotten."""
    before, threads = set(sys.modules), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setattr(service, "_connect", lambda *_: None)
        patch.setattr(tuning, "run", train_here)
        torch.set_num_threads(1)
        yield patch
    torch.set_num_threads(threads)
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]
    _imported.cache_clear()


def follow(page: str, folder: Path) -> dict[str, Any]:
    """Carries out a page's blocks, as someone who reads it would, and compares what it shows.

    A ``bash`` block is typed. A ``python`` or ``yaml`` block that begins with a file's name in a comment is
    that file; another ``python`` block is run. A ``text`` block is what the block before it printed.

    Returns:
        The names that the blocks of Python left.
    """
    names: dict[str, Any] = {}
    printed = ""
    with folder_of_ones_own(folder) as patch:
        for language, code in blocks(page):
            file = re.match(r"# (\w+\.\w+)\b", code)
            if language == "text":
                assert missing_lines(code, printed) == [], printed
            elif file is not None:
                Path(file[1]).write_text(code, encoding="utf-8")
            elif language == "bash":
                printed = "".join(_typed(line, patch) for line in code.replace("\\\n", "").splitlines())
            else:
                assert language == "python", f"{page} has a block that nobody can follow: {code}"
                exec(compile(code, page, "exec"), names)
    return names


def missing_lines(shown: str, printed: str) -> list[str]:
    """Lines that a page shows and that nothing printed has the like of, in their order.

    Numbers may be others, and so may what stands for ``…``.
    """
    lines = iter(printed.splitlines())
    return [
        line
        for line in shown.splitlines()
        if line.strip() and not any(re.search(_like(line), " ".join(given.split())) for given in lines)
    ]


def _like(line: str) -> str:
    """What matches a shown line with other numbers in it."""
    parts = re.split(r"[+−-]?\d[\d.,]*|…", " ".join(line.split()))
    return r".*?".join(map(re.escape, parts))


def _typed(line: str, patch: pytest.MonkeyPatch) -> str:
    """What a line of the shell prints."""
    match shlex.split(line, comments=True):
        case []:
            return ""
        case ["cd", folder]:
            patch.chdir(folder)
            return ""
        case ["export", "PYTHONPATH=$PWD"]:
            patch.syspath_prepend(Path.cwd())
            return ""
        case ["dropattack", *arguments]:
            done = CliRunner().invoke(app, arguments, terminal_width=200)
            assert done.exit_code == 0, f"{line}\n{done.output}"
            return done.output
    raise AssertionError(f"nobody has said what this line of a page does: {line}")
