"""The recipes of docs/how-to/recipes.md train: each on a few digits, each workload on a few of its data."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from search.definition.sweepfile import parse_sweep
from search.engine.rehearsal import rehearse_sweep
from tests.docs.pages import examples, files
from tests.docs.test_examples import SWEEP
from trainables.workloads import _imported, workload_named

PAGE = "docs/how-to/recipes.md"
SHOWN = files(PAGE)
OWN = {"weighted": "auroc", "grainy": "accuracy", "line": "worst"}
"""The functions of the page's file that make workloads, with what a sweep of each selects by."""


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rehearse(raw: object) -> None:
    sweep, root = parse_sweep(raw), Path("data")
    rehearse_sweep(sweep, root, lambda name, data: workload_named(name).checksum(root, data), ())


@pytest.mark.parametrize("number", range(len(examples(PAGE, "yaml"))))
def test_a_recipe_trains(number: int) -> None:
    rehearse(SWEEP | yaml.safe_load(examples(PAGE, "yaml")[number]))


@pytest.mark.parametrize("name", OWN)
def test_a_workload_of_ones_own_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_recipes.py").write_text(SHOWN["my_recipes.py"], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    select = {"metric": OWN[name]} | ({"mode": "min"} if name == "line" else {})
    try:
        rehearse(SWEEP | {"workload": f"my_recipes:{name}", "select": select})
    finally:
        sys.modules.pop("my_recipes", None)
        _imported.cache_clear()


def test_every_workload_of_the_page_is_tried() -> None:
    assert SHOWN["my_recipes.py"].count("return Workload(") == len(OWN)
