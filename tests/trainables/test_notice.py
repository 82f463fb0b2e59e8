"""Notices as a worker hears of them; real ones are in `tests/search/test_notice.py`."""

import pickle
import signal
import threading

import pytest

from trainables import notice
from trainables.notice import PreemptedError


@pytest.fixture
def rays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What reaches Ray's own handler."""
    heard: list[int] = []
    monkeypatch.setattr(notice, "_given", threading.Event())
    monkeypatch.setattr(notice, "_rays_handler", lambda number, frame: heard.append(number))
    return heard


def test_the_first_sigterm_of_a_training_is_a_notice_and_the_second_ends_it(rays: list[int]) -> None:
    with notice.heeded():
        notice._terminated(signal.SIGTERM, None)
        assert notice.given()
        assert rays == []
        notice._terminated(signal.SIGTERM, None)
        assert rays == [signal.SIGTERM]


def test_a_process_that_trains_nothing_ends_at_once(rays: list[int]) -> None:
    with notice.heeded():
        pass
    notice._terminated(signal.SIGTERM, None)
    assert rays == [signal.SIGTERM]
    assert not notice.given()


def test_outside_of_ray_signals_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGTERM)
    notice.listen()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("further", [True, False])
def test_what_was_left_is_told_across_processes(further: bool) -> None:
    assert pickle.loads(pickle.dumps(PreemptedError(further))).further is further
