"""A source has one digest under every supported Python: that of a committed table, and the others' own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.trainables.code.snippets import DIGESTS, SINCE, SNIPPETS
from trainables.code.normal_form import parse, source_digest

ROOT = Path(__file__).parents[3]

DIGEST = """
import json, sys
sys.path.insert(0, sys.argv[1])
from trainables.code.normal_form import parse, source_digest
sources = json.load(sys.stdin)
print(json.dumps({name: source_digest(parse(text.encode())) for name, text in sources.items()}))
"""


def interpreters(version: str) -> Iterator[str]:
    """Where a Python of that version may be: on PATH, or among those that pyenv or uv installed."""
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    for found in [*pyenv.glob(f"{version}.*"), *uv.glob(f"cpython-{version}.*")]:
        yield str(found / "bin" / f"python{version}")


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def python(request: pytest.FixtureRequest) -> tuple[str, tuple[int, ...]]:
    """Another interpreter and its version."""
    version: str = request.param
    numbers = tuple(int(part) for part in version.split("."))
    if sys.version_info[:2] == numbers:
        pytest.skip(f"these tests run under Python {version} themselves")
    for path in interpreters(version):
        asked = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True)
        if asked.stdout.split() == version.encode().split(b"."):
            return path, numbers
    pytest.skip(f"there is no Python {version} here")


def digests(python: str, sources: Mapping[str, str]) -> dict[str, str]:
    """Digests of sources under another interpreter, which has the standard library alone."""
    command = [python, "-I", "-B", "-c", DIGEST, str(ROOT)]
    ran = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def parsed_by(version: tuple[int, ...]) -> dict[str, str]:
    """The snippets that a version of Python parses."""
    return {name: text for name, text in SNIPPETS.items() if version >= SINCE.get(name, (3, 11))}


def test_this_python_agrees_with_the_table() -> None:
    sources = parsed_by(sys.version_info[:2])
    assert {name: source_digest(parse(text.encode())) for name, text in sources.items()} == {
        name: DIGESTS[name] for name in sources
    }
    assert DIGESTS.keys() == SNIPPETS.keys() >= SINCE.keys()


def test_another_python_agrees_with_the_table(python: tuple[str, tuple[int, ...]]) -> None:
    sources = parsed_by(python[1])
    assert digests(python[0], sources) == {name: DIGESTS[name] for name in sources}


def test_another_python_agrees_about_this_project(python: tuple[str, tuple[int, ...]]) -> None:
    packages = ("dropattack", "trainables", "analysis", "search")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    sources = {str(path): path.read_text(encoding="utf-8") for path in files}
    assert len(sources) > 100
    assert digests(python[0], sources) == {
        name: source_digest(parse(text.encode())) for name, text in sources.items()
    }
