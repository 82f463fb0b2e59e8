"""Files of the user's with the names of this program's packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.execution.shadows import shadow

PACKAGES = ["dropattack", "trainables", "analysis", "search"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_file_in_the_current_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shadow() == ""
    (tmp_path / f"{package}.py").touch()
    assert str(tmp_path / f"{package}.py") in shadow()


def test_a_package_on_the_path_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert "hides this program's package 'analysis'" in shadow()


def test_a_folder_of_results_and_files_further_down_the_path_hide_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "analysis").mkdir()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "search.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    assert shadow() == ""


@pytest.mark.parametrize("package", ["dropattack", "trainables", "analysis"])
def test_the_command_refuses_with_one_line(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").touch()
    command = [sys.executable, "-m", "search", "sweeps"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert f"{package}.py hides this program's package" in refused.stderr
