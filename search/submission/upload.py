"""The upload of a job to a cluster: the project's own files as one archive, and nothing else."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from dropattack import UsageError

LIMIT_BYTES = 100 * 2**20
"""The most bytes of an upload; Ray keeps it in the memory of the head node."""

_EXCLUDED = (
    ".*",
    "__pycache__/",
    "*.egg-info/",
    "venv/",
    "node_modules/",
    "/build/",
    "/dist/",
    "/data/",
    "/runs/",
    "mlruns/",
    "mlflow.db",
    "secrets/",
    "*.pem",
    "*.key",
)
_NAMED = 8
"""How many folders and files a line names."""
_IGNORE_FILES = (".gitignore", ".rayignore")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def project_files(root: Path) -> Iterator[Path]:
    """Files of a project that a job needs, relative to its root, sorted.

    It leaves out hidden files, virtual environments, caches, builds, stores, data, keys, links, and whatever
    ``.gitignore`` and ``.rayignore`` in the root name.
    """
    own = [
        line
        for name in _IGNORE_FILES
        if (root / name).is_file()
        for line in (root / name).read_text(encoding="utf-8").splitlines()
    ]
    ignored = GitIgnoreSpec.from_lines([*own, *_EXCLUDED])
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = sorted(
            name
            for name in folders
            if not ignored.match_file(f"{here / name}/") and not _is_store(root / here / name)
        )
        for name in sorted(files):
            path = here / name
            if not ignored.match_file(str(path)) and not (root / path).is_symlink():
                yield path


def pack(root: Path, archive: Path) -> Path:
    """Writes a project's files to a zip archive; the same files give the same archive, bit for bit.

    Returns:
        The archive.

    Raises:
        UsageError: They are too large; the message names the largest folders.
    """
    files = list(project_files(root))
    sizes: Counter[str] = Counter()
    for path in files:
        sizes[path.parts[0]] += (root / path).stat().st_size
    if sizes.total() > LIMIT_BYTES:
        largest = ", ".join(f"{name} ({_mib(size)})" for name, size in sizes.most_common(3))
        raise UsageError(
            f"the upload would be {_mib(sizes.total())}, more than {_mib(LIMIT_BYTES)}; "
            f"largest: {largest}; name what the job does not need in .rayignore"
        )
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for path in files:
            entry = zipfile.ZipInfo(path.as_posix(), _EPOCH)
            entry.external_attr = (root / path).stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, (root / path).read_bytes())
    return archive


def what_is_sent(root: Path) -> str:
    """A line that says which files `pack` takes: how many, how large, and in which folders."""
    files = list(project_files(root))
    size = sum((root / path).stat().st_size for path in files)
    places = Counter(f"{path.parts[0]}/" if len(path.parts) > 1 else path.name for path in files)
    named = [
        f"{name} ({count})" if name.endswith("/") else name for name, count in places.most_common(_NAMED)
    ]
    more = [f"{len(places) - _NAMED} more"] if len(places) > _NAMED else []
    return (
        f"sends {len(files):,} files of {root} ({_mib(size)}) to the cluster, whose users can read them: "
        f"{', '.join([*named, *more]) or 'none'}; .rayignore names what stays here"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _is_store(folder: Path) -> bool:
    return next(folder.glob("sweeps/*/journal.log"), None) is not None
