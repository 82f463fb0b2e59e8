"""Files of tensors: written as a whole, and read only if their checksums show that they are whole.

A file is a zip archive, as `torch.save` writes it. Each of its parts has a CRC-32. torch ignores it, and
`load_whole` checks it, so that a single flipped bit is an error.
"""

import errno
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainables.disk import write_atomically


class DamagedError(Exception):
    """A file is cut short, changed, or no file of tensors at all; the message is a line that names it."""


def save_atomically(state: Mapping[str, Any], path: Path) -> None:
    """Writes ``state`` with torch, so that ``path`` holds either what it held before or all of it."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getbuffer())


def load_whole(
    path: Path, device: torch.device | str | None = None, mapped: bool = False
) -> Mapping[str, Any]:
    """Reads what `save_atomically` wrote.

    Args:
        path: The file.
        device: Device for its tensors; ``None`` for the device they were on.
        mapped: Maps them from disk instead of reading them.

    Raises:
        DamagedError: The file is damaged, another kind of file, or holds more than its own size.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(archive, path)
            broken = archive.testzip()
        if broken is not None:
            raise DamagedError(f"{path} is damaged: the checksum of {broken} in it is wrong")
        state = torch.load(path, map_location=device, mmap=mapped, weights_only=True)
    except DamagedError:
        raise
    except Exception as error:  # zipfile, zlib, pickle and torch fail in ways of their own
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # an offset outside of the file
            raise
        raise DamagedError(f"{path} is damaged ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise DamagedError(f"{path} is damaged: it holds {type(state).__name__}, and no values by name")
    return state


def _check_size(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuses parts that are compressed or overlap: `torch.save` writes none, but zip bombs have them."""
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if any(part.compress_type for part in parts) or size > path.stat().st_size:
        raise DamagedError(f"{path} is damaged: it unpacks to more than its size")
