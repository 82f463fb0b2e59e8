"""A selection of the damage matrix: each kind of file, of damage and each command; `make chaos` has all."""

from collections.abc import Iterator

import pytest

from tests.search.matrix import COMMANDS, DAMAGES, KINDS, House, check

KIND_NAMES, DAMAGE_NAMES = list(KINDS), list(DAMAGES)
SELECTED = [
    (kind, DAMAGE_NAMES[(3 * at + 2 * turn) % len(DAMAGES)], command)
    for at, kind in enumerate(KIND_NAMES)
    for turn, command in enumerate(COMMANDS)
    if command == "status" or (at + turn) % 3 == 0 or kind in ("journal", "model")
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        yield House(tmp_path_factory.mktemp("house"), patch)


@pytest.mark.parametrize(("kind", "damage", "command"), SELECTED)
def test_damage_costs_what_it_must(house: House, kind: str, damage: str, command: str) -> None:
    check(house, KINDS[kind], damage, command)


def test_the_selection_has_every_kind_every_damage_and_every_command() -> None:
    kinds, damages, commands = (set(values) for values in zip(*SELECTED, strict=True))
    assert (kinds, damages, commands) == (set(KINDS), set(DAMAGES), set(COMMANDS))
