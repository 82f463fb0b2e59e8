"""Finds the files of pretrained transformers by folder or name. Needs the extra ``transformers``."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dropattack import UsageError
from dropattack.errors import first_line
from trainables import vision
from trainables.data import files

_WEIGHTS = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Files of a pretrained model that this program reads; never a pickle."""


@contextmanager
def quietly() -> Iterator[Any]:
    """Yields the library, silent about the weights that it initialises.

    Raises:
        UsageError: The library is not installed.
    """
    transformers: Any = vision.transformers()
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        transformers.logging.set_verbosity(before)


def folder_of(pretrained: str) -> Path:
    """The folder of a pretrained model's files; those of a name are fetched first, once a machine.

    Raises:
        UsageError: There is no such folder, and Hugging Face has no such name.
    """
    if Path(pretrained).is_dir():
        return Path(pretrained)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(pretrained, allow_patterns=list(_WEIGHTS)))
    except ImportError as error:
        raise UsageError("transformers is not installed; pip install 'dropattack[transformers]'") from error
    except Exception as error:  # the library's own, and those of what it connects with
        raise UsageError(
            f"there is no folder {pretrained}, and Hugging Face does not offer it ({first_line(error)})"
        ) from error


def content_of(folder: Path) -> str:
    """Digest of the files that a pretrained model is read from."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        found.update(f"{path.name} {files.content_digest(path)}\n".encode())
    return found.hexdigest()


def read(load: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """Loads a folder with one of the library's ``from_pretrained``.

    Raises:
        UsageError: A file is missing or damaged.
    """
    try:
        return load(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # of many kinds, by what is missing or damaged
        raise UsageError(f"{folder} cannot be read as a pretrained model ({first_line(error)})") from error
