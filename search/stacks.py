"""Which trials a process trains together, and what becomes of each when it reports."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from dropattack import UsageError
from search.record import Record
from search.recorder import Recorder
from trainables.lanes import lane_structure
from trainables.trainable import BROKEN, DIVERGED, FAILURE, METRICS, OUT_OF_MEMORY

_AHEAD = 2
"""How many stacks' worth of trials to look at for one that is full; a sampler knows no result of theirs."""


class Stacks:
    """Puts a sweep's trials into stacks, at most so many in each.

    A stack ends as soon as one of its trials does. Those that go on, and new ones that differ from them in
    numbers only, are the next stack. One that fails as a whole is tried again in two halves, so that in the
    end a trial fails for reasons of its own.

    Args:
        recorder: Where trials come from and reports go to.
        lanes: The most trials in a stack.

    Attributes:
        running: How many stacks are being trained.
    """

    def __init__(self, recorder: Recorder, lanes: int) -> None:
        self._recorder = recorder
        self._lanes = lanes
        self._waiting: dict[str, list[Record]] = {}
        self._halves: deque[list[Record]] = deque()
        self._training: dict[str, Record] = {}
        self.running = 0

    @property
    def ended(self) -> bool:
        """Whether there will be no other stack."""
        return self._recorder.ended

    def next(self) -> list[Record]:
        """The next stack to train, the largest of those that the trials looked at so far make; or none."""
        if self._halves:
            stack = self._halves.popleft()
        else:
            self._look_ahead()
            if not self._waiting:
                return []
            structure = max(self._waiting, key=lambda each: len(self._waiting[each]))
            together = self._waiting.pop(structure)
            stack, rest = together[: self._lanes], together[self._lanes :]
            if rest:
                self._waiting[structure] = rest
        self._training |= {record.key: record for record in stack}
        self.running += 1
        return stack

    def report(self, stack: Sequence[str], result: Mapping[str, Any]) -> bool:
        """Takes what a step of a stack reported to the record; says whether the stack goes on.

        Args:
            stack: Its trials' keys.
            result: What `StackTrainable.step` gave.
        """
        if BROKEN in result:
            self._recorder.broken = OSError(result[BROKEN])
        elif OUT_OF_MEMORY in result:
            self._out_of_memory(stack, result[OUT_OF_MEMORY])
        elif FAILURE in result:
            self._failed(stack, result[FAILURE])
        else:
            ended = [key for key, metrics in result[METRICS] if not self._recorder.report(key, metrics)]
            for key, reason in result[DIVERGED]:
                self._recorder.fail(key, reason)
                ended.append(key)
            if not ended:
                return True
            for record in self._end(stack):
                if record.key not in ended:
                    self._wait(record)
            return False
        self._end(stack)
        return False

    def died(self, stack: Sequence[str], reason: str) -> None:
        """Takes to the record that a stack's process died, for good."""
        self._failed(stack, reason)
        self._end(stack)

    def _look_ahead(self) -> None:
        while self._worth_looking():
            record = self._recorder.next()
            if record is None:
                return
            self._wait(record)

    def _worth_looking(self) -> bool:
        sizes = [len(records) for records in self._waiting.values()]
        return max(sizes, default=0) < self._lanes and sum(sizes) < _AHEAD * self._lanes

    def _wait(self, record: Record) -> None:
        self._waiting.setdefault(self._structure(record), []).append(record)

    def _structure(self, record: Record) -> str:
        if self._lanes == 1 or record.key in self._recorder.alone:
            return record.key
        try:
            return lane_structure(record.trial)
        except UsageError:
            return record.key

    def _out_of_memory(self, stack: Sequence[str], reason: str) -> None:
        if len(stack) == 1:
            self._recorder.ran_out_of_memory(stack[0], reason)
        else:
            self._lanes = (len(stack) + 1) // 2
            self._halve(stack)

    def _failed(self, stack: Sequence[str], reason: str) -> None:
        if len(stack) == 1:
            self._recorder.fail(stack[0], reason)
        else:
            self._halve(stack)

    def _halve(self, stack: Sequence[str]) -> None:
        middle = len(stack) // 2
        for half in (stack[:middle], stack[middle:]):
            self._halves.append([self._training[key] for key in half])

    def _end(self, stack: Sequence[str]) -> list[Record]:
        self.running -= 1
        return [self._training.pop(key) for key in stack]
