"""Where sweeps come from: the names of those that are bundled, and paths of files."""

from importlib import resources
from pathlib import Path
from typing import Any

from dropattack import UsageError
from dropattack.errors import shortened, unknown
from dropattack.imported import give
from search.definition.schema import check_schema
from search.definition.sweep import NAME, NAME_RULE, Sweep
from search.definition.yamlfile import SUFFIXES, read_text, read_yaml
from trainables.sealing import CHECKSUM


def sweep_name(source: str) -> str:
    """The name of the sweep that ``source`` names, by its name or a path to its file.

    A person who names a file of their own also gives the code that it names; see `given`.

    Raises:
        UsageError: It is neither a file that can be read nor what a sweep could be called.
    """
    if Path(source).suffix in SUFFIXES:
        return given(check_schema(read_source(source), source), source).name
    if not NAME.fullmatch(source):
        raise UsageError(f"{shortened(source)!r} is no YAML file, and a sweep's name {NAME_RULE}")
    return source


def given(sweep: Sweep, source: str) -> Sweep:
    """Notes that a person gave the code that a sweep names, unless its file lies in a store.

    Args:
        sweep: What the file holds.
        source: Where it is from.
    """
    path = Path(source)
    if path.name != "sweep.json" or not (path.parent / "journal.log").exists():
        give(named(sweep))
    return sweep


def named(sweep: Sweep) -> set[str]:
    """Names of a sweep's workloads and methods, including those that are code."""
    return {*sweep.workloads, *(method for stage in sweep.stages for method in stage.methods)}


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
        if not _is_file(path):
            raise UsageError(f"there is no sweep file {shortened(source)!r}")
        raw = read_yaml(read_text(source), source)
        if isinstance(raw, dict):  # a store's own sweep.json has a checksum; an edited copy need not
            raw.pop(CHECKSUM, None)
        return raw
    if source in bundled_sweeps():
        text = (resources.files("search") / "sweeps" / f"{source}.yaml").read_text(encoding="utf-8")
        return read_yaml(text, source)
    if path.name != source or _is_file(path):
        raise UsageError(
            f"{shortened(source)!r} is no sweep file: the names of those end in {', '.join(SUFFIXES)}"
        )
    raise unknown("sweep", source, bundled_sweeps())


def _is_file(path: Path) -> bool:
    """Whether there is a file; false also if no file could have that name."""
    try:
        return path.is_file()
    except OSError:
        return False
