"""Requirements: what is imported is declared and used, and what gets installed has one tested version."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OWN = PROJECT["name"]

SHIPPED = ("dropattack", "trainables", "analysis", "search")
DEVELOPED = ("tests", "benchmarks")

CUDA = ("cuda-", "nvidia-", "triton")
"""How distributions begin that only torch's build for GPUs brings along."""


def names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def modules_imported(source: str) -> Iterator[str]:
    """Top-level modules that a file imports anywhere, by ``import_module("...")`` too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (
                word.value.partition(".")[0]
                for word in node.args
                if isinstance(word, ast.Constant) and isinstance(word.value, str)
            )


def providers(folders: Iterable[str]) -> dict[str, set[str]]:
    """By module of other projects that these folders import, the distributions that provide it."""
    modules = {
        module
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for module in modules_imported(path.read_text(encoding="utf-8"))
    }
    known = metadata.packages_distributions()
    foreign = modules - sys.stdlib_module_names - {*SHIPPED, *DEVELOPED}
    return {module: {canonicalize_name(name) for name in known.get(module, [])} for module in foreign}


def test_the_ways_to_import_are_all_seen() -> None:
    source = (
        'import a.b, c\ndef f():\n    from d.e import g\n    importlib.import_module("h.i")\nfrom . import j'
    )
    assert list(modules_imported(source)) == ["a", "c", "d", "h"]


def test_shipped_code_imports_what_it_declares_and_nothing_else() -> None:
    declared = names(PROJECT["dependencies"])
    optional = names(text for extra, texts in EXTRAS.items() if extra != "dev" for text in texts)
    imported = providers(SHIPPED)
    undeclared = {module for module, offered in imported.items() if not offered & (declared | optional)}
    assert undeclared == set()
    assert declared - set().union(*imported.values()) == set(), "declared, and imported by no shipped module"


def test_tests_and_benchmarks_import_what_is_declared() -> None:
    declared = names([*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)])
    imported = providers(DEVELOPED)
    assert {module for module, offered in imported.items() if not offered & declared} == set()


def pins() -> dict[NormalizedName, SpecifierSet]:
    """The versions of ``constraints.txt`` by distribution."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    required = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): r.specifier for r in required}


def other_versions(installed: Mapping[NormalizedName, str]) -> dict[NormalizedName, str]:
    """Of what is installed, versions by name, all that is not pinned or pinned in another version."""
    tested = pins()
    return {
        name: version
        for name, version in installed.items()
        if name not in tested or not tested[name].contains(version, prereleases=True)
    }


def reached(extra: str) -> dict[NormalizedName, metadata.Distribution | None]:
    """What installing the project with an extra installs; ``None`` for a distribution that is not here."""
    found: dict[NormalizedName, metadata.Distribution | None] = {}
    todo = [(text, extra) for text in [*PROJECT["dependencies"], *EXTRAS.get(extra, [])]]
    seen: set[tuple[str, str]] = set()
    while todo:
        text, wanted = todo.pop()
        required = Requirement(text)
        name = canonicalize_name(required.name)
        if required.marker and not required.marker.evaluate({"extra": wanted}):
            continue
        if name == OWN:
            todo += [(more, inner) for inner in required.extras for more in EXTRAS[inner]]
            continue
        for inner in {"", *required.extras}:
            if (name, inner) not in seen:
                seen.add((name, inner))
                found[name] = here = _installed(name)
                todo += [(more, inner) for more in (here and here.requires) or []]
    return found


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_distribution_that_gets_installed_has_its_version_in_the_constraints(extra: str) -> None:
    everything = reached(extra)
    assert set(everything) - set(pins()) == set(), "would be installed in whatever version is newest"
    assert other_versions({name: found.version for name, found in everything.items() if found}) == {}


def test_no_version_is_kept_of_what_is_installed_no_more() -> None:
    needed = set().union(*(reached(extra) for extra in EXTRAS))
    assert {name for name in set(pins()) - needed if not name.startswith(CUDA)} == set()


def test_a_requirement_that_is_not_pinned_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "more", ["dropattack[server]", "not-there-at-all>=1"])
    assert {"psycopg", "psycopg-binary", "not-there-at-all", "torch"} <= set(reached("more"))
    with pytest.raises(AssertionError, match="not-there-at-all"):
        test_every_distribution_that_gets_installed_has_its_version_in_the_constraints("more")


def test_the_constraints_are_sorted_and_exact() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        listed = [canonicalize_name(line.partition("==")[0]) for line in lines]
        assert listed == sorted(listed)
