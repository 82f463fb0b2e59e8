"""Graphs that MLflow serves: what is in them is not obeyed where it is a pickle."""

import io
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from search.tracking.served import GRAPH, _load_pyfunc

RAN: list[str] = []


def ran(what: str) -> None:
    RAN.append(what)


class Evil:
    """Unpickled, it runs code."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return ran, ("ran",)


def pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": Evil()}, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / GRAPH
    torch.export.save(torch.export.export(nn.Linear(2, 2).eval(), (torch.zeros(1, 2),)), path)
    return path


def test_a_graph_is_loaded_and_the_environment_left_as_it_was(graph: Path) -> None:
    before = dict(os.environ)
    outputs: Any = _load_pyfunc(str(graph.parent)).predict(np.zeros((1, 2), np.float32))
    assert outputs.shape == (1, 2)
    assert dict(os.environ) == before


def test_no_part_of_a_graph_is_unpickled(graph: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(graph) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    hurt = [name for name in parts if name.endswith(".pt") or "/weights/" in name or "/constants/" in name]
    assert hurt
    for name in hurt:
        with zipfile.ZipFile(tmp_path / GRAPH, "w") as changed:
            for other, content in parts.items():
                changed.writestr(other, pickled() if other == name else content)
        with suppress(Exception):  # torch's own, of many kinds; that nothing ran is what counts
            _load_pyfunc(str(tmp_path))
        assert RAN == []
