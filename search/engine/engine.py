"""The idempotent sweep: hands out the trials that remain, records what they report, decides who goes on.

The engine knows nothing of Ray. Whatever it is told is in the journal before it answers, and everything it
knows is rebuilt from the journal, so that a new engine on an old journal does what the old one had left.

While a journal gathers (`Journal.gathering`), a report is answered before it is durable: who trains has its
checkpoint. Trials are handed out, and listeners told, after it is.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from search.definition.sweep import Sweep
from search.engine.part import Part
from search.engine.proposers import Checksum, Proposal, Recorded, Scope, proposer_for
from search.engine.spending import Spending
from search.records.journal import Journal
from search.records.record import Record, State
from trainables.recipe.measured import STOPPED_EARLY, Metrics
from trainables.trial import Trial

Listener = Callable[[Record], object]
Meanwhile = Callable[[str], tuple[str, Record] | None]


class Engine:
    """Runs one sweep.

    Args:
        sweep: What to run.
        journal: Its records; open for writing.
        checksum: Returns the digest of a workload's data.
        elsewhere: Complete records of other sweeps by key, with the sweep's name: never trained again.
        recorded: Returns the complete records of another sweep by its name, for warm starts.
        code: More code that all trials are trained with, as in `trainables.trial.Trial`.
        meanwhile: Called with each key before its trial, which the journal has, is trained. Returns a
            complete record that another sweep has by now, with that sweep's name, or nothing.

    Attributes:
        listeners: Called with each record that was added or changed, after it is durable.
        further: Keys of trials that got further within an epoch, and were saved there.
    """

    def __init__(
        self,
        sweep: Sweep,
        journal: Journal,
        checksum: Checksum,
        elsewhere: Mapping[str, tuple[str, Record]] | None = None,
        recorded: Recorded = lambda sweep: (),
        code: Mapping[str, str] | None = None,
        meanwhile: Meanwhile = lambda key: None,
    ) -> None:
        self.sweep = sweep
        self.journal = journal
        self._elsewhere = elsewhere or {}
        self._recorded = recorded
        self._meanwhile = meanwhile
        self.listeners: list[Listener] = []
        self.further: set[str] = set()
        self._training: dict[str, Record] = {}
        self._waiting: dict[str, list[Record]] = {}
        self._parts = [
            self._part(Scope(sweep, stage, workload, checksum, code or {}))
            for stage in sweep.stages
            for workload in sweep.stage_workloads(stage)
        ]
        self._by_scope = {(part.scope.stage.name, part.scope.workload): part for part in self._parts}
        spent = [earlier for record in journal.records for earlier in (*record.failures, record)]
        self._spending = Spending(sweep, spent)
        self._left_running = deque(r for part in self._parts for r in part.records if not r.finished)
        self._ahead: tuple[Part, Proposal] | None = None

    def _part(self, scope: Scope) -> Part:
        records = [
            record
            for record in self.journal.records
            if record.stage == scope.stage.name and record.trial.workload == scope.workload
        ]
        return Part(scope, proposer_for(scope, self._recorded), records)

    @property
    def records(self) -> Sequence[Record]:
        """All records of this sweep's stages and workloads."""
        return [record for part in self._parts for record in part.records]

    @property
    def remarks(self) -> Sequence[str]:
        """Lines on what searches start from."""
        return [remark for part in self._parts for remark in part.proposer.remarks]

    @property
    def limit(self) -> str:
        """The limit of the sweep that is reached, or nothing."""
        return self._spending.reached(self._training)

    @property
    def total(self) -> int:
        """How many trials there will be, as far as known."""
        return sum(len(part.records) if part.exhausted else part.proposer.total for part in self._parts)

    @property
    def left(self) -> bool:
        """Whether a trial is being trained or can be handed out now; keeps a found one for `next`.

        While trials are being trained, it proposes none, since a proposal would not know their results.
        """
        if self._training or any(map(self._may_go_on, self._left_running)):
            return True
        return self._look_ahead() is not None

    @property
    def done(self) -> bool:
        """Whether no trial is being trained and none will be handed out, because of a limit or for good."""
        if self._training or any(map(self._may_go_on, self._left_running)):
            return False
        return bool(self.limit) or all(part.exhausted for part in self._parts)

    def trains(self, key: str) -> bool:
        """Whether a trial was handed out and has not ended."""
        return key in self._training

    def next(self) -> Record | None:
        """The next trial to train, or ``None`` for now; settles trials that need no training on the way."""
        while True:
            record = next(filter(self._may_go_on, self._left_running), None)
            if record is not None:
                self._left_running.remove(record)
            else:
                found = self._look_ahead()
                if found is None:
                    return None
                self._ahead = None
                part, proposal = found
                record = self._add(part, proposal)
            if self._must_train(record):
                self._training[record.key] = record
                self.journal.settle(wait=True)
                return record

    def report(self, key: str, metrics: Metrics, trained: int = 0) -> bool:
        """Records an epoch of a trial that is being trained; returns whether it goes on.

        Args:
            key: The trial's.
            metrics: The epoch's metrics.
            trained: How many epochs the trial has trained. A trial that has trained a further one was told to
                go on by a driver that died before it heard of that epoch. It goes on now, too, whatever is
                known since.
        """
        record = self._training[key]
        part = self._part_of(record)
        epoch = int(metrics["epoch"])
        replaced = self._append(record, metrics)
        if replaced is not None:
            self._spending.take_back(record, replaced)
            self._spending.add(record, metrics)
        if epoch < len(record.epochs):
            return True
        last = epoch >= int(record.trial.training["epochs"]) or STOPPED_EARLY in metrics
        goes_on = part.goes_on(record, metrics) or trained > epoch
        if last or not goes_on:
            self._close(record, State.COMPLETE if last else State.PRUNED)
            return False
        self._tell(record)
        return True

    def fail(self, key: str, reason: str) -> None:
        """Records that a trial failed; the sweep goes on."""
        self._spending.begun(key)
        self._close(self._training[key], State.FAILED, reason)

    def occupies(self, gpus: float) -> None:
        """Sets how many GPUs, or what share of one, a trial takes, if that had to be measured."""
        self._spending.gpus = gpus

    def put_back(self, key: str) -> None:
        """Takes back a trial that is being trained, and hands it out next."""
        self._left_running.appendleft(self._training.pop(key))

    def _may_go_on(self, record: Record) -> bool:
        """Whether to hand out a trial that was left running: at a limit, only begun trials are finished."""
        return bool(record.epochs) or not self.limit

    def _look_ahead(self) -> tuple[Part, Proposal] | None:
        """The next trial to add, proposed once and kept until then; ``None`` at a limit."""
        if self.limit:
            return None
        if self._ahead is None:
            self._ahead = self._propose()
        return self._ahead

    def _propose(self) -> tuple[Part, Proposal] | None:
        for index, part in enumerate(self._parts):
            if part.exhausted:
                continue
            before = [e.records for e in self._parts[:index] if e.scope.workload == part.scope.workload]
            if not part.proposer.ready(before):
                continue
            proposal = part.proposer.propose(part.records, before)
            if proposal is not None:
                return part, proposal
            part.exhausted = part.proposer.ended(part.records)
        return None

    def _add(self, part: Part, proposal: Proposal) -> Record:
        answer, source = self._answer(proposal.trial, part)
        record = self.journal.add(
            part.scope.stage.name,
            proposal.trial,
            proposal.params,
            proposal.distributions,
            answer,
            source,
        )
        part.records.append(record)
        part.settle(record)
        self._tell(record)
        return record

    def _answer(self, trial: Trial, part: Part) -> tuple[Record | None, str]:
        """A finished record of the same training, and its place."""
        here = [(self.sweep.name, r) for r in self.journal.with_key(trial.key) if self._answers(r, part)]
        elsewhere = [self._elsewhere[trial.key]] if trial.key in self._elsewhere else []
        found = sorted(here + elsewhere, key=lambda answer: answer[1].state is not State.COMPLETE)
        if not found:
            return None, ""
        name, record = found[0]
        return record, record.reused_from or f"{name}/{record.stage}"

    @staticmethod
    def _answers(record: Record, part: Part) -> bool:
        """Whether a record answers a part's trial: it ended for good, or the same rungs stopped it."""
        if record.state is State.PRUNED:
            return record.stage == part.scope.stage.name
        return record.finished

    def _must_train(self, record: Record) -> bool:
        """Settles a record that another one answers or will answer; returns whether it needs training."""
        if record.finished:
            return False
        if record.key in self._training:
            self._waiting.setdefault(record.key, []).append(record)
            return False
        answer, source = self._answer(record.trial, self._part_of(record))
        if answer is None:
            found = self._meanwhile(record.key)
            if found is None:
                return True
            name, answer = found
            source = f"{name}/{answer.stage}"
        for metrics in answer.epochs:
            self._append(record, metrics)
        self.journal.finish(record, answer.state, answer.reason, source, answer.former)
        self._part_of(record).settle(record)
        self._tell(record)
        return False

    def _append(self, record: Record, metrics: Metrics) -> list[Metrics] | None:
        """Records an epoch; returns recorded ones that it replaces, or ``None`` if it is known already."""
        epoch = int(metrics["epoch"])
        before = record.epochs[epoch - 1 :]
        if not self.journal.append(record, metrics):
            return None
        if before:
            self._part_of(record).take_back(record, epoch)
        return before

    def _close(self, record: Record, state: State, reason: str = "") -> None:
        self.journal.finish(record, state, reason)
        del self._training[record.key]
        self._left_running.extendleft(self._waiting.pop(record.key, []))
        self._tell(record)

    def _tell(self, record: Record) -> None:
        self.journal.when_durable(record, self._told)

    def _told(self, record: Record) -> None:
        for listener in self.listeners:
            listener(record)

    def _part_of(self, record: Record) -> Part:
        return self._by_scope[record.stage, record.trial.workload]
