"""Whose code a module is: the user's own, an installed distribution's, or the platform's."""

import json
import sysconfig
from enum import Enum, auto
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
PROJECT = tuple(_ROOT / package for package in ("dropattack", "trainables", "analysis", "search"))
"""Folders of this project's packages, wherever they are installed."""

_STANDARD = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
_SITE = {"site-packages", "dist-packages"}


class Origin(Enum):
    """Whose code a module is.

    Attributes:
        OWN: The user's: a file outside of installed packages, an editable install, or a package that was
            installed from a folder, whose version rarely changes when its code does.
        INSTALLED: A distribution's from an index, an archive or a repository.
        PLATFORM: Python's standard library or this project.
    """

    OWN = auto()
    INSTALLED = auto()
    PLATFORM = auto()


def origin_of(spec: ModuleSpec) -> Origin:
    """Whose code a module is, by where its file lies and which distribution lists that file."""
    if not spec.has_location or spec.origin is None:
        return Origin.PLATFORM
    return _origin(Path(spec.origin), _root(spec))


def distribution_of(spec: ModuleSpec) -> Distribution | None:
    """The installed distribution that lists a module's file, if one does."""
    return _listing(Path(spec.origin or ""), _root(spec))


def version_of(distribution: Distribution) -> str:
    """A distribution's version, with its commit where it was installed from a repository."""
    commit = (_source(distribution).get("vcs_info") or {}).get("commit_id")
    return f"{distribution.version} at {commit}" if commit else distribution.version


def _root(spec: ModuleSpec) -> Path:
    """The folder on the import path that a module was found in; symbolic links are not followed."""
    parents = Path(spec.origin or "").parents
    depth = spec.name.count(".") + (spec.submodule_search_locations is not None)
    return parents[min(depth, len(parents) - 1)]


@cache
def _origin(file: Path, root: Path) -> Origin:
    if any(file.is_relative_to(folder) for folder in PROJECT):
        return Origin.PLATFORM
    if any(_lists(distribution, file, root) for distribution in _from_folders(root)):
        return Origin.OWN
    if not _SITE.isdisjoint(root.parts):
        return Origin.INSTALLED
    if any(file.is_relative_to(folder) for folder in _STANDARD):
        return Origin.PLATFORM
    return Origin.INSTALLED if _listing(file, root) else Origin.OWN


@cache
def _from_folders(root: Path) -> list[Distribution]:
    """The distributions in ``root`` that were built from a folder."""
    return [each for each in distributions(path=[str(root)]) if "dir_info" in _source(each)]


def _source(distribution: Distribution) -> dict[str, Any]:
    """The source that a distribution was installed from, as PEP 610 records it; empty for an index."""
    try:
        source = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return source if isinstance(source, dict) else {}


@cache
def _listing(file: Path, root: Path) -> Distribution | None:
    return next((each for each in distributions(path=[str(root)]) if _lists(each, file, root)), None)


def _lists(distribution: Distribution, file: Path, root: Path) -> bool:
    record = distribution.read_text("RECORD") or ""
    return f"\n{file.relative_to(root).as_posix()}," in f"\n{record}"
