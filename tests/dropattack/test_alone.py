"""The methods need torch, and nothing of what the service around them needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.test_requirements import modules_imported

ROOT = Path(__file__).parents[2]
ALLOWED = {"dropattack", "torch", "typing_extensions", *sys.stdlib_module_names}
OF_AN_EXTRA = {"dropattack/robustness/parts.py": ["torchattacks"]}
"""Modules that are imported only where they are asked for, and what they need."""

ALONE = """
import sys

BESIDES = "pandas scipy sklearn ray optuna mlflow pydantic yaml torchvision matplotlib torchmetrics "
BESIDES += "torchattacks numpy transformers lightning accelerate peft trainables analysis search"
sys.modules.update(dict.fromkeys(BESIDES.split()))  # importing them fails

import pkgutil
from importlib import import_module

import torch

import dropattack

for module in pkgutil.walk_packages(dropattack.__path__, "dropattack."):
    if not module.name.startswith(("dropattack.testing", "dropattack.robustness.parts")):
        import_module(module.name)
model = torch.nn.Linear(3, 2)
batch = torch.rand(4, 3), torch.tensor([0, 1, 1, 0])
for name in sorted(dropattack.registered()):
    dropattack.create(name).step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1))
print("ran")
"""


def test_no_module_imports_anything_beside_torch() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(set(modules_imported(path.read_text("utf-8"))) - ALLOWED)
        for path in (ROOT / "dropattack").rglob("*.py")
        if "testing" not in path.parts
    }
    assert {path: modules for path, modules in found.items() if modules} == OF_AN_EXTRA


@pytest.mark.heavy
def test_every_method_runs_where_nothing_else_is_installed(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout == "ran\n", done.stderr
