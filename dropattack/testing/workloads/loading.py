"""A workload's data in another process with an empty cache: their checksum, and the files that it reads.

``python -m dropattack.testing.workloads.loading WORKLOAD ROOT OPTIONS`` prints both as JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainables.workloads import workload_named


@dataclass(frozen=True)
class Loading:
    """The result of loading the data once.

    Attributes:
        checksum: See `Workload.checksum`.
        files: The files below the data root that were opened, relative to it.
    """

    checksum: str
    files: tuple[str, ...]


def loaded_elsewhere(workload: str, root: Path, options: Mapping[str, Any], cache: Path) -> Loading:
    """Loads in a new process, with another seed of Python's hashes.

    Args:
        workload: Name of the workload.
        root: The data root.
        options: Settings of the dataset.
        cache: An empty folder for the cache of encoded data.
    """
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    chosen = {"PYTHONPATH": paths, "DROPATTACK_CACHE": str(cache), "PYTHONHASHSEED": "271828"}
    command = [sys.executable, "-m", __name__, workload, str(root), json.dumps(dict(options))]
    done = subprocess.run(
        command, env=os.environ | chosen, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{workload} cannot be loaded in a process of its own: {done.stderr}"
    found = json.loads(done.stdout.splitlines()[-1])
    return Loading(found["checksum"], tuple(found["files"]))


def _load(name: str, root: Path, options: Mapping[str, Any]) -> Loading:
    opened: set[Path] = set()

    def note(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(details[0], str | bytes | os.PathLike):
            opened.add(Path(os.fsdecode(details[0])))

    workload = workload_named(name)
    sys.addaudithook(note)
    checksum = workload.checksum(root, options)
    workload.load(root, options)
    inside = [path.resolve() for path in list(opened) if path.is_file()]
    files = {str(path.relative_to(root)) for path in inside if path.is_relative_to(root)}
    return Loading(checksum, tuple(sorted(files)))


if __name__ == "__main__":
    print(json.dumps(asdict(_load(sys.argv[1], Path(sys.argv[2]).resolve(), json.loads(sys.argv[3])))))
