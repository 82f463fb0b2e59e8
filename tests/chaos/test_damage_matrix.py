"""The whole damage matrix; `tests/search/test_damage_matrix.py` has a selection."""

from collections.abc import Iterator

import pytest

from tests.search.matrix import COMMANDS, DAMAGES, KINDS, House, check

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        yield House(tmp_path_factory.mktemp("house"), patch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_damage_costs_what_it_must(house: House, kind: str, damage: str, command: str) -> None:
    check(house, KINDS[kind], damage, command)
