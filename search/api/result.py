"""What the records of a sweep show, for Python."""

import html
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from dropattack import Settings, UsageError, method_named
from dropattack.imported import given_only
from search.api.sweep import Sweep, name_of
from search.definition import sweep as definition
from search.definition.schema import check_schema
from search.records.existing import existing_store
from search.records.mirrored import folder_of
from search.records.record import Record, State
from search.records.store import Store
from search.results.reporting import tables_of
from search.results.usable import Usable, sweep_file, usable
from search.tracking.shown import shown_of
from trainables.disk import write_atomically
from trainables.saved import SavedModel, load_model
from trainables.workloads import Workload, workload_named

if TYPE_CHECKING:
    import pandas as pd

    from analysis.questions.verdict import Verdict
    from analysis.records import Records


@dataclass(frozen=True)
class Best:
    """What to use for a workload: the method, or plain training or a control if that wins.

    Attributes:
        usable: The recommendation, as the command line shows it.
        trains: A sweep that trains it with the searched seeds.
    """

    usable: Usable
    trains: Sweep

    @property
    def workload(self) -> str:
        """Name of the workload."""
        return self.usable.record.trial.workload

    @property
    def method(self) -> str:
        """Name of the recommended method, as the sweep asked for it; ``standard`` for plain training."""
        return str(next(iter(self.usable.stage["methods"])))

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The method's settings, complete."""
        told = self.usable.stage["methods"][self.method]
        try:
            with given_only():
                settings: Settings = method_named(self.method).settings_type.from_dict(told)
        except UsageError:  # it is code that nobody gave, and then its settings are told in full
            return dict(told)
        return settings.to_dict()

    @property
    def key(self) -> str:
        """Key of the trial that trained the model."""
        return self.usable.record.key

    def load_model(self, workload: Workload | None = None) -> SavedModel:
        """Loads the trained model: the best epoch of the seed with the best validation value.

        Args:
            workload: What trained it; needed for code of your own whose module is not imported yet.

        Raises:
            UsageError: Its file is missing or damaged, or its workload is code that nobody gave.
        """
        if self.usable.model is None:
            raise UsageError(
                f"the model of trial {self.key} is not in the store; train the sweep there again"
            )
        with given_only():
            return load_model(self.usable.model, workload or workload_named(self.workload))


@dataclass(frozen=True, repr=False)
class Result:
    """A sweep with its records in a store; a notebook shows its verdict.

    Attributes:
        sweep: Its definition, as it was last run.
        store: Where it is kept.
        limit: The limit that ended the run, or nothing.
        warning: What went wrong in the run apart from trials, or nothing.
    """

    sweep: Sweep
    store: Store
    limit: str = ""
    warning: str = ""

    @classmethod
    def load(cls, sweep: definition.Sweep | str | Path, store: str | Path = "runs") -> "Result":
        """Reads what is recorded of a sweep, without running it.

        Args:
            sweep: Its name, the path of its file, or the sweep itself; a file also gives the code that it
                names. The result is of the sweep as it was last run.
            store: Folder of all records, or its address, such as ``s3://bucket/prefix``.

        Raises:
            UsageError: There is no store, or the sweep has not been run or cannot be read.
        """
        place = existing_store(folder_of(store))
        return cls(Sweep.of(place.recorded(name_of(sweep))), place)

    @cached_property
    def records(self) -> Sequence[Record]:
        """All records of the sweep, in their order, as they were when they were first asked for."""
        return list(self.store.journal(self.sweep).records)

    @property
    def failed(self) -> list[Record]:
        """Trials that failed, each with its ``reason``."""
        return [record for record in self.records if record.state is State.FAILED]

    @property
    def trials(self) -> "pd.DataFrame":
        """A row for each trial: settings, state, seed, passes, seconds, validation value and test metrics."""
        return self._tables.trials.copy()

    @property
    def epochs(self) -> "pd.DataFrame":
        """A row for each epoch of each trial, by its ``key``."""
        return self._tables.epochs.copy()

    @cached_property
    def verdicts(self) -> "Mapping[str, Verdict]":
        """The verdict of each workload with complete trials: does it help, what to use, where, what next."""
        from analysis.questions.verdict import verdicts

        return {each.workload: each for each in verdicts(self._tables)}

    @property
    def verdict(self) -> "Verdict":
        """The verdict of the sweep's first workload; see `verdicts`.

        Raises:
            UsageError: It has no complete trial.
        """
        return self.verdicts[self._first(self.verdicts)]

    @cached_property
    def bests(self) -> Mapping[str, Best]:
        """What to use for each workload with complete trials."""
        found = usable(self.store, self.sweep.name)
        return {each.record.trial.workload: Best(each, self._trains(each)) for each in found}

    @property
    def best(self) -> Best:
        """What to use for the sweep's first workload; see `bests`.

        Raises:
            UsageError: It has no complete trial.
        """
        return self.bests[self._first(self.bests)]

    def report(self, path: str | Path, formats: Iterable[str] = ()) -> Path:
        """Writes the report.

        Args:
            path: A file that ends in ``.html`` or ``.md``, or a folder for all ``formats``.
            formats: Formats to write into a folder, see `analysis.report.write_report`; ``html`` by default.

        Returns:
            The page, or the folder if no page was asked for.

        Raises:
            UsageError: It cannot be written there, or a format is unknown.
        """
        from analysis.report import write_report

        target, wanted = Path(path), list(formats)
        if target.suffix not in (".html", ".md"):
            return write_report(self._tables, target, wanted or ["html"])
        if wanted:
            raise UsageError(f"{target} is one page; name a folder for the formats {', '.join(wanted)}")
        with tempfile.TemporaryDirectory() as folder:
            write_report(self._tables, Path(folder), [target.suffix[1:]])
            page = (Path(folder) / f"report{target.suffix}").read_bytes()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, page)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}; name another file") from error
        return target

    @cached_property
    def _tables(self) -> "Records":
        return tables_of(self.sweep, self.store, self.records, shown_of(self.store, self.sweep.name, ""))

    def _trains(self, found: Usable) -> Sweep:
        return Sweep.of(check_schema(sweep_file(self.sweep, [found]), self.sweep.name))

    def _first(self, found: Mapping[str, Any]) -> str:
        for workload in self.sweep.workloads:
            if workload in found:
                return workload
        raise UsageError(f"{self.sweep.name} has no complete trial yet, and so no verdict; run it first")

    def _counts(self) -> str:
        states = [record.state.value for record in self.records]
        counts = [f"{states.count(state.value)} {state.value}" for state in State if state.value in states]
        return f"{len(states)} trials" + (f": {', '.join(counts)}" if counts else "")

    @override
    def __repr__(self) -> str:
        return f"Result of {self.sweep.name}, {self._counts()}"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict's sentences."""
        parts = [f"<strong>{html.escape(self.sweep.name)}</strong>: {html.escape(self._counts())}"]
        for workload, verdict in self.verdicts.items():
            lines = "".join(
                f"<li><strong>{html.escape(head)}</strong>: {html.escape(line)}</li>"
                for head, line in verdict.headed_lines()
            )
            parts.append(f"<p>{html.escape(workload)}</p><ul>{lines}</ul>")
        notes = [note for note in (self.limit and f"ended by limit: {self.limit}", self.warning) if note]
        return "".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in notes)])
