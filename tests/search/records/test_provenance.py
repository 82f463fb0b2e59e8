"""What a record says it was computed with."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from search.records.provenance import versions


@pytest.mark.parametrize("build", ["2.13.0+cpu", "2.13.0+cu130", "2.13.0"])
def test_the_build_of_torch_is_named_also_where_its_metadata_leaves_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str
) -> None:
    metadata = tmp_path / "torch-2.13.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion(build))
    assert version("torch") == "2.13.0"
    found = versions()
    assert found["torch"] == build
    assert json.loads(json.dumps(found)) == found


def test_python_and_every_library_that_a_result_depends_on_are_named() -> None:
    found = versions()
    assert found.keys() == {"dropattack", "torch", "ray", "optuna", "mlflow", "python"}
    assert found["python"] == platform.python_version()
    assert found["mlflow"] == version("mlflow")
