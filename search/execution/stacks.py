"""Decides which trials a process trains together, and handles their reports."""

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.alike import without_numbers
from dropattack import UsageError
from search.engine.engine import Engine
from search.records.record import Record
from trainables.lanes.loop import lane_structure
from trainables.recipe.measured import Metrics
from trainables.saves import Life
from trainables.trainable import BROKEN, DIVERGED, FAILURE, METRICS, NO_GPU, OUT_OF_MEMORY, TRACEBACK

_log = logging.getLogger(__name__)
_AHEAD = 2
"""How many stacks' worth of trials to draw for one full stack; the sampler knows none of their results."""
_DEATHS = 2
"""How often a process may die (killed, out of memory, a lost node) before its stack is halved."""


class Stacks:
    """Puts a sweep's trials into stacks, at most so many in each.

    A stack ends as soon as one of its trials does. The trials that go on, and new ones that differ from them
    only in numbers, form the next stack. A stack that fails as a whole is tried again in two halves, so that
    in the end a trial fails only for its own reasons.

    Args:
        engine: Where trials come from and reports go to.
        lanes: The most trials in a stack.
        ends_early: Whether a notice ends the run: then nothing more begins, and no stack goes on.

    Attributes:
        running: How many stacks are being trained.
        alone: Keys of trials that ran out of GPU memory, and are tried once more, each alone on a GPU.
    """

    def __init__(self, engine: Engine, lanes: int, ends_early: Callable[[], bool] = lambda: False) -> None:
        self._engine = engine
        self._ends_early = ends_early
        self._lanes = lanes
        self._fewer: dict[str, int] = {}
        """The most trials in a stack, by structure, for structures that ran out of GPU memory."""
        self._waiting: dict[str, list[Record]] = {}
        """Waiting trials by what the lanes of a stack must have in common; the longest waiting come first."""
        self._again: deque[list[Record]] = deque()
        self._training: dict[str, Record] = {}
        self._deaths: Counter[str] = Counter()
        self._furthest: Counter[str] = Counter()
        self._began: dict[str, float] = {}
        self._lives: defaultdict[str, list[Life]] = defaultdict(list)
        self._starting_alone = ""
        self._logged: set[str] = set()
        """Tracebacks in the log, by which others are known to differ in more than numbers."""
        self.running = 0
        self.alone: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether there will be no other stack."""
        return self._engine.done or self._ends_early()

    def settle(self) -> None:
        """Tells what was recorded and has become durable since; see `Journal.settle`."""
        self._engine.journal.settle()

    def lives(self, key: str) -> list[Life]:
        """How many processes died, by trial."""
        return list(self._lives[key])

    def next(self) -> list[Record]:
        """The next stack to train: a full one, or else the one that has waited longest; or ``None``.

        It is ``None`` also while a trial waits for a GPU of its own, which the others must leave free.
        """
        if self._starting_alone or self._ends_early():
            return []
        stack = self._again.popleft() if self._again else self._put_together()
        if not stack:
            return []
        self._training |= {record.key: record for record in stack}
        self._began |= dict.fromkeys((record.key for record in stack), time.time())
        self.running += 1
        if stack[0].key in self.alone:
            self._starting_alone = stack[0].key
        return stack

    def report(self, stack: Sequence[str], result: Mapping[str, Any]) -> bool:
        """Records what a step of a stack reported; returns whether the stack goes on.

        Args:
            stack: Its trials' keys.
            result: The result of `StackTrainable.step`.

        Raises:
            OSError: The stack's process could not read or write a file.
            UsageError: Its machine has no GPU for it.
        """
        self._heard_of(stack)
        if METRICS not in result:
            self._fail_together(stack, result)
            self._end(stack)
            return False
        ended = [key for key, *epoch in result[METRICS] if not self._record(key, *epoch)]
        for key, reason in result[DIVERGED]:
            self._engine.fail(key, reason)
            ended.append(key)
        if not ended and not self._ends_early():
            return True
        for record in self._end(stack):
            if record.key not in ended:
                self._wait(record)
        return False

    def _record(self, key: str, metrics: Metrics, trained: int = 0) -> bool:
        """Records an epoch; one that no process has reached clears the deaths that were counted before it."""
        epoch, furthest = int(metrics["epoch"]), max(self._furthest[key], len(self._training[key].epochs))
        goes_on = self._engine.report(key, metrics, trained)
        if epoch > furthest:
            del self._deaths[key]
        self._furthest[key] = max(epoch, furthest)
        return goes_on

    def died(self, stack: Sequence[str], reason: str) -> None:
        """Restarts a stack whose process died; after too many deaths, in halves.

        Args:
            stack: Its trials' keys.
            reason: What is known about the death.
        """
        self._heard_of(stack)
        _log.warning("the process of %s died: %s", " ".join(stack), reason)
        self._deaths.update(stack)
        for key in stack:
            self._lives[key].append(Life(self._began[key], time.time(), len(stack)))
        deaths = max(self._deaths[key] for key in stack)
        if deaths <= _DEATHS:
            self._again.append([self._training[key] for key in stack])
        else:
            self._fail_together(stack, {FAILURE: f"its process died {deaths} times: {reason}"})
        self._end(stack)

    def preempted(self, stack: Sequence[str], further: bool) -> None:
        """Puts back a stack that a notice stopped, which is no death.

        Args:
            stack: Its trials' keys.
            further: Whether it got further within an epoch.
        """
        self._heard_of(stack)
        _log.info("left %s for a notice", " ".join(stack))
        if further:
            self._engine.further.update(stack)
        self._again.append([self._training[key] for key in stack])
        self._end(stack)

    def _put_together(self) -> list[Record]:
        if self._engine.limit:
            self._put_back_what_has_not_begun()
        while self._worth_looking():
            record = self._engine.next()
            if record is None:
                break
            self._wait(record)
        full = (name for name, records in self._waiting.items() if len(records) >= self._most(name))
        structure = next(full, next(iter(self._waiting), None))
        if structure is None:
            return []
        together = self._waiting.pop(structure)
        if rest := together[self._most(structure) :]:
            self._waiting[structure] = rest
        return together[: self._most(structure)]

    def _most(self, structure: str) -> int:
        return self._fewer.get(structure, self._lanes)

    def _worth_looking(self) -> bool:
        sizes = {structure: len(records) for structure, records in self._waiting.items()}
        if any(size >= self._most(structure) for structure, size in sizes.items()):
            return False
        return sum(sizes.values()) < _AHEAD * self._lanes

    def _put_back_what_has_not_begun(self) -> None:
        for structure, records in list(self._waiting.items()):
            for record in records:
                if not record.epochs:
                    self._engine.put_back(record.key)
            self._waiting[structure] = [record for record in records if record.epochs]
            if not self._waiting[structure]:
                del self._waiting[structure]

    def _wait(self, record: Record) -> None:
        self._waiting.setdefault(self._structure(record), []).append(record)

    def _structure(self, record: Record) -> str:
        if self._lanes == 1 or record.key in self.alone:
            return record.key
        try:
            return lane_structure(record.trial)
        except UsageError:
            return record.key

    def _fail_together(self, stack: Sequence[str], result: Mapping[str, Any]) -> None:
        """Records why a whole stack failed."""
        self._log_traceback(stack, result.get(TRACEBACK, ""))
        if BROKEN in result:
            raise OSError(result[BROKEN])
        if NO_GPU in result:
            raise UsageError(result[NO_GPU])
        out_of_memory = OUT_OF_MEMORY in result
        if len(stack) > 1:
            middle = (len(stack) + 1) // 2
            self._again += (
                [self._training[key] for key in half] for half in (stack[:middle], stack[middle:])
            )
            if out_of_memory:
                structure = self._structure(self._training[stack[0]])
                self._fewer[structure] = min(middle, self._most(structure))
        elif out_of_memory and stack[0] not in self.alone:
            self.alone.add(stack[0])
            self._engine.put_back(stack[0])
        else:
            self._engine.fail(stack[0], result[OUT_OF_MEMORY if out_of_memory else FAILURE])

    def _log_traceback(self, stack: Sequence[str], text: str) -> None:
        """Logs each different traceback once: many trials may fail alike."""
        if text and (known := without_numbers(text)) not in self._logged:
            self._logged.add(known)
            _log.warning("%s failed:\n%s", " ".join(stack), text.rstrip())

    def _heard_of(self, stack: Sequence[str]) -> None:
        if self._starting_alone in stack:
            self._starting_alone = ""

    def _end(self, stack: Sequence[str]) -> list[Record]:
        self.running -= 1
        return [self._training.pop(key) for key in stack]
