"""The wheel, alone and with each of its extras, really installed under the constraints: it takes minutes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.packaging.test_requirements import EXTRAS, OWN, ROOT, names, other_versions
from tests.packaging.user import User

pytestmark = pytest.mark.slow

SMALL = (
    "seeds=[0]",
    "training.epochs=1",
    "stages.sensitivity.methods.dropattack.p=0.5",
    "stages.search.search.trials=2",
    "stages.confirm.search.seeds=[100]",
)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Someone with nothing installed yet; the gigabytes that they install go with them."""
    root = tmp_path_factory.mktemp("user")
    yield User(root)
    shutil.rmtree(root)


def install(user: User, what: str) -> set[str]:
    """Installs, and returns what is there then: each in the version of the constraints, none missing."""
    user.pip("install", "--quiet", "--no-compile", "--constraint", ROOT / "constraints.txt", what)
    user.pip("check")
    listed = (line.split("==") for line in user.pip("list", "--format=freeze").splitlines())
    installed = {canonicalize_name(name): version for name, version in listed}
    assert set(other_versions(installed)) == {OWN}
    return set(installed)


def test_a_small_demo_runs_with_what_is_installed_without_extras(user: User, wheel: Path) -> None:
    assert not names(EXTRAS["server"]) & install(user, str(wheel))
    printed = user.dropattack("run", "demo", *(word for value in SMALL for word in ("--set", value)))
    assert "report: " in printed
    assert "failed" not in printed


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_it_names_and_that_can_be_imported(user: User, wheel: Path, extra: str) -> None:
    wanted = names(EXTRAS[extra]) - {OWN}
    assert wanted <= install(user, f"{wheel}[{extra}]")
    modules = sorted(name.replace("-", "_") for name in wanted)
    user.python(f"""
import importlib, importlib.util
for name in filter(importlib.util.find_spec, {modules}):
    importlib.import_module(name)
""")
