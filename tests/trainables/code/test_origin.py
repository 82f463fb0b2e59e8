"""Whose code a module is: a user's counts by source, a distribution's by version, other code not."""

import json
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from dropattack import UsageError
from tests.trainables.code.conftest import Folder
from trainables.code.definition import code_of
from trainables.code.modules import find
from trainables.code.origin import PROJECT, Origin, origin_of

SOURCES = {
    "methods/__init__.py": "from methods.noise import Noise\n",
    "methods/noise.py": "class Noise: pass\n",
}

Source = dict[str, object]
"""What ``direct_url.json`` says."""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def install(site: Path, files: dict[str, str], source: Source | None = None) -> None:
    """Lays out a distribution as PEP 376 and PEP 610 describe one that was installed."""
    info = "my_methods-1.2.dist-info"
    notes = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: my-methods\nVersion: 1.2\n",
        f"{info}/RECORD": "".join(f"{name},,\n" for name in files),
    }
    if source is not None:
        notes[f"{info}/direct_url.json"] = json.dumps(source)
    write(site, {**files, **notes})


@pytest.fixture
def site(tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages on the import path, behind the user's."""
    path = tmp_path / "site-packages"
    path.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(path)])
    return path


ARCHIVE: Source = {"url": "https://example.org/m.whl", "archive_info": {}}
REPOSITORY: Source = {"url": "https://example.org/m", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}


@pytest.mark.parametrize(
    ("source", "expected"), [(None, "1.2"), (ARCHIVE, "1.2"), (REPOSITORY, "1.2 at c0ffee")]
)
def test_a_definition_in_a_distribution_counts_by_version(
    folder: Folder, site: Path, source: Source | None, expected: str
) -> None:
    install(site, SOURCES, source)
    assert folder.code("methods:Noise") == {"my-methods": expected}
    (site / "methods" / "noise.py").write_text("class Noise: scale = 2\n")
    assert folder.code("methods:Noise") == {"my-methods": expected}


def test_what_was_installed_from_a_folder_counts_by_source(folder: Folder, site: Path) -> None:
    install(site, SOURCES, {"url": "file:///home/me/methods", "dir_info": {}})
    folder.write({"mine.py": "import methods\n"})
    assert set(folder.code("methods:Noise")) == {"methods", "methods.noise"}
    assert set(folder.code("mine")) == {"mine", "methods", "methods.noise"}


def test_distributions_that_a_users_module_imports_do_not_count(folder: Folder, site: Path) -> None:
    install(site, SOURCES)
    folder.write({"mine.py": "import methods.noise, torch, numpy, sklearn\n"})
    assert folder.covered() == {"mine"}


def test_a_folder_may_hold_distributions_beside_a_users_modules(folder: Folder) -> None:
    install(folder.path, SOURCES)
    folder.write({"mine.py": "import methods.noise, helper\n", "helper.py": ""})
    assert set(folder.code("mine")) == {"mine", "helper"}
    assert folder.code("methods.noise:Noise") == {"my-methods": "1.2"}


def test_an_editable_install_counts_by_source(
    folder: Folder, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, {"my_methods.pth": ""}, {"url": "file:///home/me", "dir_info": {"editable": True}})
    write(tmp_path / "checkout", SOURCES)
    monkeypatch.syspath_prepend(tmp_path / "checkout")
    assert set(folder.code("methods:Noise")) == {"methods", "methods.noise"}


def test_a_file_that_nobody_installed_is_refused(folder: Folder, site: Path) -> None:
    (site / "dropped.py").write_text("def metric(): pass\n")
    with pytest.raises(UsageError, match=r"no installed distribution lists .*dropped\.py; write it"):
        folder.code("dropped:metric")


def test_a_broken_note_of_where_a_distribution_is_from_does_not_matter(folder: Folder, site: Path) -> None:
    install(site, SOURCES, {})
    for content in ("", "{", "[]", '"dir_info"'):
        (site / "my_methods-1.2.dist-info" / "direct_url.json").write_text(content)
        assert folder.code("methods:Noise") == {"my-methods": "1.2"}


WHEEL = """Wheel-Version: 1.0
Generator: by hand
Root-Is-Purelib: true
Tag: py3-none-any
"""


def test_a_wheel_that_pip_installs_counts_by_version(folder: Folder, site: Path, tmp_path: Path) -> None:
    info = "my_methods-3.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: my-methods\nVersion: 3.0\n"
    record = "".join(f"{name},,\n" for name in SOURCES)
    files = {f"{info}/METADATA": metadata, f"{info}/WHEEL": WHEEL, f"{info}/RECORD": record}
    wheel = tmp_path / "my_methods-3.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**SOURCES, **files}.items():
            archive.writestr(name, text)
    options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", site]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel], check=True)
    assert folder.code("methods:Noise") == {"my-methods": "3.0"}


def test_a_function_of_torch_counts_by_its_version() -> None:
    code = code_of(torch.nn.functional.cross_entropy)
    assert code is not None
    assert code.modules == {"torch": version("torch")}


@pytest.mark.parametrize(
    ("module", "origin"),
    [
        ("sys", Origin.PLATFORM),
        ("os", Origin.PLATFORM),
        ("json.decoder", Origin.PLATFORM),
        ("_json", Origin.PLATFORM),
        ("dropattack.methods", Origin.PLATFORM),
        ("trainables", Origin.PLATFORM),
        ("search.cli", Origin.PLATFORM),
        ("tests.conftest", Origin.OWN),
        ("numpy.linalg", Origin.INSTALLED),
        ("yaml", Origin.INSTALLED),
        ("pytest", Origin.INSTALLED),
    ],
)
def test_whose_a_module_is(module: str, origin: Origin) -> None:
    spec = find(module)
    assert spec is not None
    assert origin_of(spec) is origin


def test_the_projects_packages_are_those_that_it_installs() -> None:
    root = Path(__file__).parents[3]
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    assert {f"{folder.name}*" for folder in PROJECT} == set(
        tools["setuptools"]["packages"]["find"]["include"]
    )
    assert {folder.parent for folder in PROJECT} == {root}
