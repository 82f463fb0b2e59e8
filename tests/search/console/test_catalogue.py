"""What the command line lists, where a workload's targets depend on data that are not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from torch import nn

from analysis.questions.layers import depths
from dropattack import UsageError
from search.console.catalogue import plain_targets, plain_workloads, show_workload
from trainables import Table, Workload
from trainables.data.dataset import Data
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import register_workload


def net(data: Data) -> nn.Module:
    return nn.Sequential(nn.Linear(data.features, 4), nn.Linear(4, data.classes))


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[str]:
    """A workload that an installed package may offer, on a machine without its data."""
    made = Workload("absent-net", dataset=Table(tmp_path / "absent.csv", label="y"), model=net)
    yield register_workload(made).name
    del REGISTERED["absent-net"]


def test_a_workload_without_its_data_is_listed_and_says_what_is_missing(absent: str) -> None:
    found = {each["name"]: each["targets"] for each in plain_workloads()}
    assert found[absent] is None
    assert all(targets for name, targets in found.items() if name != absent)
    console = Console(record=True, width=1000)
    show_workload(console, absent)
    assert "absent.csvismissing" in "".join(console.export_text().split())  # lines break within long paths
    with pytest.raises(UsageError, match=r"absent.csv is missing"):
        plain_targets(absent, Path())


def test_layers_of_a_workload_without_its_data_have_no_depth(absent: str, tmp_path: Path) -> None:
    assert depths(absent, ["0.weight", "1.weight"]) == {}
    rows = "\n".join(f"{i},{i % 2}" for i in range(40))
    (tmp_path / "absent.csv").write_text(f"x,y\n{rows}\n", encoding="utf-8")
    assert depths(absent, ["1.weight", "input", "0.bias", "0.weight"]) == {
        "input": 0,
        "0.weight": 1,
        "0.bias": 1,
        "1.weight": 2,
    }


def test_layers_of_a_transformer_follow_each_other() -> None:
    query = "model.bert.encoder.layer.{}.attention.self.query.weight"
    found = depths("imdb-transformer", ["input", query.format(0), query.format(1), "model.classifier.weight"])
    assert sorted(found, key=lambda name: found[name]) == list(found)
    assert len(set(found.values())) == 4
