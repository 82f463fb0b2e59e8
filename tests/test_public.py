"""Each package says what is public, and asking for it brings what the package says."""

import subprocess
import sys
from importlib import import_module

import pytest


@pytest.mark.parametrize("package", ["dropattack", "trainables", "analysis", "search"])
def test_every_public_name_is_there(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert not hasattr(module, "no_such_name")


def test_a_public_name_is_the_one_of_its_home() -> None:
    from analysis import write_report
    from analysis.report import write_report as at_home
    from trainables import load_model
    from trainables.saved import load_model as saved

    assert (write_report, load_model) == (at_home, saved)


@pytest.mark.parametrize("package", ["trainables", "analysis", "search"])
def test_a_package_itself_imports_nothing_heavy(package: str) -> None:
    program = f"import sys, {package}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "mlflow", "pandas", "optuna"} & set(loaded.stdout.split())
