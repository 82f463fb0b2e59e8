"""When trials are saved within an epoch, and what deaths cost, against a timetable worked out by hand."""

import pytest

from trainables import notice
from trainables.notice import PreemptedError
from trainables.saves import Life, Saves, lost_seconds


@pytest.mark.parametrize(
    ("lives", "checkpoint", "lost"),
    [
        ([], {}, 0),
        ([], {"saved_at": 500.0, "lost_seconds": 7.0}, 7),
        ([Life(100, 160, 1)], {}, 60),
        ([Life(100, 160, 4)], {}, 15),
        ([Life(100, 160, 1)], {"saved_at": 150.0}, 10),
        ([Life(100, 160, 1)], {"saved_at": 90.0}, 60),
        ([Life(100, 160, 1), Life(200, 230, 1)], {"saved_at": 150.0}, 10 + 30),
        ([Life(100, 160, 1), Life(200, 230, 1)], {"saved_at": 225.0, "lost_seconds": 10.0}, 10 + 5),
        ([Life(100, 160, 1)], {"saved_at": 300.0}, 0),
        ([[100, 160, 2]], {"saved_at": 140.0}, 10),
    ],
)
def test_what_is_lost_is_what_came_after_the_last_save(lives, checkpoint, lost: float) -> None:
    assert lost_seconds(lives, checkpoint) == lost


def test_a_training_is_saved_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now, saved = 0.0, []
    monkeypatch.setattr("time.monotonic", lambda: now)

    def save() -> None:
        nonlocal now
        saved.append(now)
        now += 3  # a slow disk does not make saves follow upon each other

    saves = Saves(save, 10)
    while now < 40:
        saves()
        now += 1
    assert saved == [10, 23, 36]


def test_without_a_time_it_is_saved_for_a_notice_only(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[bool] = []
    saves = Saves(lambda: saved.append(True), None)
    monkeypatch.setattr("time.monotonic", lambda: 1e12)
    saves()
    assert not saved
    monkeypatch.setattr(notice, "given", lambda: True)
    with pytest.raises(PreemptedError) as left:
        saves()
    assert left.value.further
    assert saved
