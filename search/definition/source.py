"""Where sweeps come from: the names of those that are bundled, and paths of files."""

from importlib import resources
from pathlib import Path
from typing import Any

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.schema import check_schema
from search.definition.yamlfile import SUFFIXES, read_yaml
from trainables.sealing import CHECKSUM


def sweep_name(source: str) -> str:
    """The name of the sweep that ``source``, a name or a path to a file, stands for."""
    return check_schema(read_source(source), source).name if Path(source).suffix in SUFFIXES else source


def bundled_sweeps() -> list[str]:
    """Names of the sweeps that come with the package."""
    folder = resources.files("search") / "sweeps"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def read_source(source: str) -> Any:
    """The plain values of the sweep that ``source``, a bundled name or a path, stands for.

    Raises:
        UsageError: There is no such sweep, or its file cannot be read.
    """
    path = Path(source)
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise UsageError(f"there is no sweep file {source!r}")
        try:
            raw = read_yaml(path.read_text(encoding="utf-8"), source)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{source} cannot be read: {error}") from None
        if isinstance(raw, dict):  # a store's own sweep.json bears one; whoever edits a copy need not
            raw.pop(CHECKSUM, None)
        return raw
    if source in bundled_sweeps():
        text = (resources.files("search") / "sweeps" / f"{source}.yaml").read_text(encoding="utf-8")
        return read_yaml(text, source)
    raise unknown("sweep", source, bundled_sweeps())
