"""The house has floors: a room imports only from rooms below it, and no two modules import each other.

The arrows are read from the code, those inside functions and under ``TYPE_CHECKING`` too.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = {
    "dropattack": (
        "errors raised imported settings attack_settings perturbation modes scaling task wrappers batches "
        "distributions targets passes gradients step_result gathering method registry methods integrations "
        "robustness catalogue"
    ),
    "trainables": (
        "digest disk sealing remote tensors gpu vision data code architecture models datasets recipe "
        "objectives adapters target_sets workload papers workloads catalogue usercode resolved trial saved "
        "training lanes notice saves trainable __main__"
    ),
    "analysis": (
        "alike typed statistics conditional_power pareto aims budget choice contest crossed racing records "
        "keeping recipes notation pairing scoring questions published document figures marks sections page "
        "latex export render report"
    ),
    "search": (
        "definition records engine tracking execution results submission console notification "
        "expected session service api cli catalogue __main__"
    ),
}
"""By package, from the lowest floor up, the rooms from the lowest up: folders, and modules beside them."""

ROOF = "dropattack.testing"
"""Contracts that others inherit stand above all: they may import every room, and no room imports them."""

FLOORS = [*(f"{package}.{room}" for package, rooms in ROOMS.items() for room in rooms.split()), ROOF]

LONGEST = 320
"""Lines of a file that one reading takes in."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for package in ROOMS for path in sorted((ROOT / package).rglob("*.py"))}


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(path: Path) -> Iterator[str]:
    """Modules of this project that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports by a relative name"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else node.module for name in inside]
        else:
            continue
        yield from (name for name in found if name in MODULES)


ARROWS = {module: set(imported(path)) - {module} for module, path in MODULES.items()}


def allowed(source: str, target: str) -> bool:
    """Whether a module may import another: of its room or one below, or a package below as a whole."""
    if target in ROOMS:
        return room_of(source) == ROOF or list(ROOMS).index(target) < list(ROOMS).index(source.split(".")[0])
    return FLOORS.index(room_of(target)) <= FLOORS.index(room_of(source))


def test_every_module_is_in_a_room_with_a_floor() -> None:
    assert {room_of(module) for module in MODULES} - set(ROOMS) == set(FLOORS)


@pytest.mark.parametrize("package", ROOMS)
def test_no_arrow_goes_up(package: str) -> None:
    up = [
        f"{source} -> {target}"
        for source, targets in ARROWS.items()
        if source.split(".")[0] == package and source != package
        for target in targets
        if not allowed(source, target)
    ]
    assert up == []


def test_modules_do_not_import_in_circles() -> None:
    try:
        TopologicalSorter(ARROWS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_an_arrow_up_and_a_circle_would_be_seen() -> None:
    assert not allowed("dropattack.method", "dropattack.registry")
    assert not allowed("analysis.report", "search.records.store")
    assert not allowed("dropattack.methods.standard", "trainables")
    assert allowed("search.cli", "dropattack")
    assert allowed("dropattack.testing.stores.cases", "search.records.store")
    assert not allowed("search.cli", "dropattack.testing")
    assert not allowed("dropattack.registry", "dropattack.testing.methods")
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_a_file_is_read_in_one_sitting() -> None:
    tests = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*MODULES.values(), *tests]
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
