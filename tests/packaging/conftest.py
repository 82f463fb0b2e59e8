"""The wheel, built once, and environments that hold what a user's would."""

import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import pytest

from search.submission.upload import project_files

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the project's own files: what an earlier build has left in the checkout is not in it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in project_files(ROOT):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        copyfile(ROOT / path, source / path)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    subprocess.run([*pip, "--wheel-dir", str(built), str(source)], check=True)
    (path,) = built.glob("*.whl")
    return path
