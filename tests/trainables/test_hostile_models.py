"""Models that somebody made on purpose: no code is run, and memory is taken for what a file holds only."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack import UsageError
from trainables.saved import load_model
from trainables.tensors import save_atomically
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named


class Runs:
    """Something that runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def _model(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    workload = workload_named("digits-lenet5")
    trial = Trial.make(workload.name, "standard", {}, TrainingSettings(epochs=1), 0, "x")
    data = workload.load(tmp_path)
    parts = {
        "trial": trial.to_dict(),
        "model": workload.model_settings().build(data).state_dict(),
        "metrics": {"valid_accuracy": 1.0},
        "test": {},
        "confusion": [[1]],
        "classes": 10,
        "extras": {"shape": [1, 28, 28]},
    }
    return parts | changes


def test_a_plain_model_is_loaded(tmp_path: Path) -> None:
    save_atomically(_model(tmp_path), tmp_path / "model.pt")
    assert load_model(tmp_path / "model.pt").metrics == {"valid_accuracy": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": 10**12},
        {"classes": "10"},
        {"metrics": {"valid_accuracy": "<b>"}},
        {"confusion": "x"},
        {"extras": [1]},
        {"model": {"conv1.weight": torch.zeros(1).expand(10**12)}},
        {"model": {}},
        {"model": [1]},
        {"extras": {"shape": torch.zeros(1).expand(10**9)}},
        {"trial": {"workload": "digits-lenet5"}},
        {"trial": 3},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_a_model_of_other_parts_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_atomically(_model(tmp_path, **changes), tmp_path / "model.pt")
    _refused(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "settings", [{"hidden": 10**9}, {"width": -1}, {"x": 1}, {"hidden": "<b>"}], ids=repr
)
def test_a_model_of_other_sizes_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    parts = _model(tmp_path)
    parts["trial"]["model"] = parts["trial"]["model"] | settings
    save_atomically(parts, tmp_path / "model.pt")
    _refused(tmp_path / "model.pt")


def test_a_model_of_a_pickle_runs_nothing(tmp_path: Path) -> None:
    path, marker = tmp_path / "model.pt", tmp_path / "ran"
    torch.save(_model(tmp_path, extras={"x": Runs(marker)}), path)
    _refused(path)
    path.write_bytes(pickle.dumps(Runs(marker)))
    _refused(path)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Runs(marker)))
        archive.writestr("archive/version", "3")
    path.write_bytes(whole.getvalue())
    _refused(path)
    assert not marker.exists()


def test_a_model_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path) -> None:
    save_atomically(_model(tmp_path), tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
        packed.writestr("archive/data/99", bytes(10**7))
    _refused(tmp_path / "model.pt")


def _refused(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or "digits-lenet5" in str(caught.value)
