"""An interrupt while what was recorded is on its way to a bucket."""

import signal
import threading

import pytest

from search.records.sending import Sending
from tests.patience import PATIENCE_SECONDS
from tests.search.records.test_sending import until
from trainables.remote.bucket import RemoteError


@pytest.mark.parametrize("settled_first", [True, False])
def test_an_interrupt_during_the_last_wait_ends_it_and_says_what_is_durable(settled_first: bool) -> None:
    """The store is away, and requests to it would be tried again for ever."""
    gave_up, tries = threading.Event(), threading.Semaphore(0)

    def write(first: int, lines: bytes) -> None:
        if first == 1:
            return
        tries.release()
        assert gave_up.wait(PATIENCE_SECONDS), "nobody said that it is over"
        raise RemoteError("the store is away")

    def interrupt() -> None:
        assert tries.acquire(timeout=PATIENCE_SECONDS)
        until(lambda: len(sending._changed._waiters) > 0)  # type: ignore[attr-defined]  # threading's own
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    sending = Sending(write, lambda now: gave_up.set() if now else gave_up.clear())
    told = "the last 2 entries of the journal have not reached the store; what they record is trained again"
    watcher = threading.Thread(target=interrupt)

    def record() -> None:
        with sending.gathering():
            sending.add(1, b"a\n")
            sending.settle(wait=True)
            watcher.start()
            sending.add(2, b"b\n")
            sending.add(3, b"c\n")
            if settled_first:
                sending.settle(wait=True)

    with pytest.raises(KeyboardInterrupt) as ended:
        record()
    watcher.join()
    assert ended.value.args == (told,)
    until(lambda: all(thread.name != "journal" for thread in threading.enumerate()))
