"""Files of tensors are whole or said to be damaged: every kind of damage, and every bit."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainables.tensors import DamagedError, load_whole, save_atomically

STATE = {"weights": torch.arange(300.0), "history": [{"epoch": 1, "loss": 0.5}], "key": "abc"}


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    place = content.index(torch.tensor([7.0, 8.0]).numpy().tobytes())
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "halved": halved,
    "one byte short": lambda content: content[:-1],
    "a bit flipped": flipped,
    "foreign": lambda content: b"# A page about something else.\n" * 20,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("mapped", [False, True])
def test_damage_is_noticed(tmp_path: Path, kind: str, mapped: bool) -> None:
    path = tmp_path / "state.pt"
    save_atomically(STATE, path)
    assert torch.equal(load_whole(path, mapped=mapped)["weights"], STATE["weights"])
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(DamagedError, match=r"state\.pt is damaged") as raised:
        load_whole(path, mapped=mapped)
    assert "\n" not in str(raised.value)


def test_what_is_no_mapping_is_no_state(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(DamagedError, match="it holds list"):
        load_whole(tmp_path / "list.pt")


def test_what_cannot_be_read_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_whole(tmp_path / "none.pt")
    with pytest.raises(IsADirectoryError):
        load_whole(tmp_path)


def test_no_flipped_bit_gives_other_values(tmp_path: Path) -> None:
    """Either it is noticed, or it stands where nothing depends on it."""
    path, generator = tmp_path / "state.pt", random.Random(0)
    save_atomically(STATE, path)
    whole, noticed = path.read_bytes(), 0
    for _ in range(300):
        place = generator.randrange(len(whole))
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << generator.randrange(8)]) + whole[place + 1 :]
        )
        try:
            state = load_whole(path)
        except DamagedError:
            noticed += 1
        else:
            assert torch.equal(state["weights"], STATE["weights"])
            assert {name: state[name] for name in ("history", "key")} == {
                name: STATE[name] for name in ("history", "key")
            }
    assert noticed > 100
