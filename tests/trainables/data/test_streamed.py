"""Examples that do not fit on a device, told by one that pretends to have little room."""

import math
from typing import Any

import pytest
import torch
from torch.cuda._utils import _get_device_index

from tests.gpu.trials import IMAGES, TEXTS, data, numbers, trial
from tests.pretended import AWAY, pretended
from trainables import gpu
from trainables.data import streamed
from trainables.data.splits import ImageSplit, Split, TensorSplit, TextSplit
from trainables.data.streamed import Streamed, placed, size_of
from trainables.training.loop import Training

CPU = torch.device("cpu")
LABELS = torch.arange(20) % 3
SPLITS: dict[str, Split] = {
    "images": ImageSplit(torch.randint(256, (20, 1, 3, 3), dtype=torch.uint8), LABELS),
    "rows": TensorSplit(torch.randn(20, 4), LABELS),
    "texts": TextSplit(
        torch.randint(2, 9, (20, 6), dtype=torch.int32), torch.randint(1, 7, (20,), dtype=torch.int64), LABELS
    ),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(map(same, one, other))
    return torch.equal(one, other)


@pytest.mark.parametrize("name", SPLITS)
def test_batches_are_those_of_the_split_itself(name: str) -> None:
    whole = SPLITS[name]
    found = Streamed(whole, CPU)
    assert len(found) == 20
    assert torch.equal(found.labels, LABELS)
    shuffled = [list(s.batches(6, torch.Generator().manual_seed(1))) for s in (whole, found)]
    assert all(map(same, *shuffled))
    indices = torch.tensor([[3, 1], [7, 3]])
    if name != "texts":
        assert same(found.take(indices), whole.take(indices))
    subset, joined = found.subset(torch.tensor([2, 5])), found.joined([found])
    assert torch.equal(subset.labels, LABELS[[2, 5]])
    assert len(joined) == 40
    seen = torch.cat([labels for _, labels in found.batches(7)])
    assert sorted(seen.tolist()) == sorted(LABELS.tolist())


def test_what_fits_into_half_of_the_room_is_placed_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    split = SPLITS["rows"]
    assert size_of(split) == 20 * 4 * 4 + 20 * 8
    with pretended():
        for room, whole in ((2 * size_of(split), True), (2 * size_of(split) - 1, False), (0, False)):
            monkeypatch.setattr(streamed, "room_on", lambda _, room=room: room)
            assert isinstance(placed([split], AWAY)[0], TensorSplit) is whole
        monkeypatch.setattr(streamed, "room_on", lambda _: 5 * size_of(split))
        assert [type(part) for part in placed([split] * 3, AWAY)] == [Streamed] * 3, "all together"
    assert placed([split], CPU)[0].labels is split.labels


@pytest.mark.parametrize("split", ["fixed", "redrawn"])
@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
def test_a_training_that_streams_computes_the_same(
    workload: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = trial(workload, "dropattack", robustness="fgm:0.1", split=split)
    found = []
    for room in (math.inf, 0.0):
        monkeypatch.setattr(streamed, "room_on", lambda _, room=room: room)
        with pretended() as watch:
            training = Training(asked, data(workload).to(AWAY), AWAY)
            assert isinstance(training.train, Streamed) is (room == 0)
            found.append([numbers(training.epoch()), numbers(training.epoch())])
        assert not watch.faults
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_room_is_what_a_process_may_still_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch asks for the number of a GPU here, and takes no device without one."""
    cuda, asked = torch.cuda, []

    def fraction(device: torch.device | int) -> float:
        asked.append(_get_device_index(device))
        return 0.5

    monkeypatch.setattr(cuda, "current_device", lambda: 3)
    monkeypatch.setattr(cuda, "mem_get_info", lambda _: (900, 1000))
    monkeypatch.setattr(cuda, "get_per_process_memory_fraction", fraction)
    monkeypatch.setattr(cuda, "memory_reserved", lambda _: 100)
    assert gpu.room_on(torch.device("cuda")) == 400
    assert gpu.room_on(torch.device("cuda", 1)) == 400
    assert asked == [3, 1]
    monkeypatch.setattr(cuda, "mem_get_info", lambda _: (50, 1000))
    assert gpu.room_on(torch.device("cuda")) == 50
    assert gpu.room_on(CPU) == math.inf
