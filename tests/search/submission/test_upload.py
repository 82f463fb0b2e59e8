"""What a job takes along: the project's own files, and no secrets, stores or data."""

import os
import zipfile
from pathlib import Path

import pytest

from dropattack import UsageError
from search.submission import upload

KEPT = ["mine.py", "pkg/model.py", "pkg/runs/sweep.yaml", "sweeps/mine.yaml"]
SAID = (
    "(0 MiB) to the cluster, whose users can read them: pkg/ (2), mine.py, sweeps/ (1); "
    ".rayignore names what stays here"
)
LEFT_OUT = [
    ".env",
    ".git/config",
    ".venv/lib/torch.so",
    ".mypy_cache/x.json",
    "data/MNIST/train.gz",
    "docker/secrets/ray_token",
    "elsewhere/artifacts/model.pt",
    "elsewhere/sweeps/demo/journal.log",
    "ignored/by-git.txt",
    "ignored/by-ray.bin",
    "pkg/__pycache__/model.pyc",
    "runs/mlflow.db",
    "server.key",
]


def _project(root: Path) -> Path:
    for name in KEPT + LEFT_OUT:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (root / ".gitignore").write_text("ignored/by-git.txt\n", encoding="utf-8")
    (root / ".rayignore").write_text("*.bin\n", encoding="utf-8")
    (root / "link.py").symlink_to("/etc/hostname")
    return root


def test_own_files_go_along_and_nothing_else(tmp_path: Path) -> None:
    archive = upload.pack(_project(tmp_path / "project"), tmp_path / "project.zip")
    with zipfile.ZipFile(archive) as package:
        assert sorted(package.namelist()) == KEPT
        assert package.read("pkg/model.py") == b"pkg/model.py"


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    project = _project(tmp_path / "project")
    first = upload.pack(project, tmp_path / "1.zip").read_bytes()
    os.utime(project / "mine.py", (0, 1e9))
    assert upload.pack(project, tmp_path / "2.zip").read_bytes() == first
    (project / "mine.py").write_text("changed", encoding="utf-8")
    assert upload.pack(project, tmp_path / "3.zip").read_bytes() != first


def test_too_large_an_upload_is_refused_with_the_largest_folders(tmp_path: Path) -> None:
    project = _project(tmp_path / "project")
    (project / "notes").mkdir()
    with (project / "notes" / "scan.tiff").open("wb") as file:
        file.truncate(upload.LIMIT_BYTES + 1)
    with pytest.raises(UsageError, match=r"more than 100 MiB; largest: notes \(100 MiB\).*\.rayignore"):
        upload.pack(project, tmp_path / "project.zip")
    assert not (tmp_path / "project.zip").exists()


def test_this_project_fits_with_room_to_spare(tmp_path: Path) -> None:
    archive = upload.pack(Path(__file__).parents[3], tmp_path / "project.zip")
    assert archive.stat().st_size < 5 * 2**20
    with zipfile.ZipFile(archive) as package:
        assert {"search/__main__.py", "search/sweeps/demo.yaml"} <= set(package.namelist())


def test_what_is_sent_is_said(tmp_path: Path) -> None:
    """As much as is packed, and nothing that is left out."""
    root = _project(tmp_path / "mine")
    assert upload.what_is_sent(root) == f"sends {len(KEPT)} files of {root} {SAID}"
    for number in range(20):
        (root / f"more{number}.py").write_text("x")
    assert upload.what_is_sent(root).endswith("15 more; .rayignore names what stays here")
    with zipfile.ZipFile(upload.pack(root, tmp_path / "p.zip")) as packed:
        assert f"sends {len(packed.namelist())} files" in upload.what_is_sent(root)
