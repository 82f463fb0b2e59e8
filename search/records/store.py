"""Where sweeps are kept: a folder with a journal for each, MLflow's database, models and reports.

The folder may be this node's copy of what lies at an address; see `search.records.mirrored`.
"""

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.records.code import SweepCode, has_own_code
from search.records.elsewhere import Elsewhere
from search.records.journal import Journal
from search.records.mirrored import name_of, refresh
from search.records.notes import (
    CODE,
    EXTENT,
    NOTES,
    ROBUSTNESS,
    RUNS,
    TOTAL,
    VERSIONS,
    DamagedNoteError,
    Note,
    read_note,
    read_sealed,
    set_aside,
    write_note,
    write_sealed,
)
from search.records.provenance import Provenance, Run, noted
from search.records.reading import CHECK, content_of, damage_line
from search.records.record import Record, State
from trainables.disk import model_path
from trainables.recipe.measured import Metrics
from trainables.remote.files import fetch_once

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Store:
    """A folder that holds everything that sweeps record.

    ``sweeps/NAME/`` has the sweep's definition, journal, checkpoints, models, report, where each run of it
    came from and what attacks on its models gave; ``mlflow.db`` and ``artifacts/`` are MLflow's, and
    ``store.json`` tells the store from others that share an MLflow server.

    Attributes:
        root: The folder.
        name: What a person calls it: the folder, or its address.
        remarks: A line for each damaged file that was gone on without, by its path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = name_of(root)
        self.remarks: dict[Path, str] = {}
        refresh(root)

    def folder(self, sweep: str) -> Path:
        """The folder of one sweep."""
        return self.root / "sweeps" / sweep

    def report(self, sweep: str) -> Path:
        """Where the report of a sweep lies, once it is written."""
        return self.folder(sweep) / "report" / "report.html"

    def robustness_path(self, sweep: str) -> Path:
        """Where what attacks on a sweep's models gave is kept."""
        return self.folder(sweep) / ROBUSTNESS.file

    def journal_path(self, sweep: str) -> Path:
        """The journal of one sweep."""
        return self.folder(sweep) / "journal.log"

    @property
    def tracking_uri(self) -> str:
        """MLflow's database in this store.

        Of a path with ``%`` or ``?`` these are escaped, and the driver is named: MLflow would make folders of
        the escaped name otherwise.
        """
        path = str((self.root / "mlflow.db").resolve())
        escaped = path.replace("%", "%25").replace("?", "%3F")
        return f"sqlite:///{path}" if escaped == path else f"sqlite+pysqlite:///{escaped}"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps files, unless a server of its own says otherwise."""
        return self.root / "artifacts"

    def sweeps(self) -> list[str]:
        """Names of the sweeps that have been run, those whose definition is gone included."""
        defined = {path.parent.name for path in self.root.glob("sweeps/*/sweep.json")}
        journals = self.root.glob("sweeps/*/journal.log")
        return sorted(defined | {path.parent.name for path in journals if _holds_something(path)})

    def definition(self, name: str) -> Sweep | None:
        """The sweep as it was last run, or nothing.

        Raises:
            UsageError: It cannot be read, or is gone from a sweep that has records.
        """
        path = self._definition_path(name)
        try:
            values, _ = read_sealed(path)
            if values is not None:
                return Sweep.model_validate(values)
            if name not in self.sweeps():
                return None
            why = "is gone"
        except DamagedNoteError as error:
            why = f"is damaged: it {error}"
        except ValidationError:
            why = "is damaged, or of another version of this program"
        raise UsageError(f"{path} {why}; `dropattack run` with the sweep's file defines it anew, and {CHECK}")

    def standing_definition(self, name: str) -> Sweep | None:
        """The sweep as it was last run, or nothing; one that cannot be read is gone on without."""
        try:
            return self.definition(name)
        except UsageError:
            path = self._definition_path(name)
            self._go_on(path, f"{path} is damaged or gone; the sweep is defined anew; {CHECK}")
            return None

    def _definition_path(self, name: str) -> Path:
        return self.folder(name) / "sweep.json"

    def recorded(self, name: str) -> Sweep:
        """The definition of a sweep that has been run.

        Raises:
            UsageError: None of that name has been run in this store, or it cannot be read.
        """
        sweep = self.definition(name)
        if sweep is None:
            known = ", ".join(self.sweeps()) or "none"
            raise UsageError(f"sweep {name!r} has not been run in {self.name}; those that have: {known}")
        return sweep

    def define(self, sweep: Sweep) -> None:
        """Notes the sweep as it is run now."""
        path = self._definition_path(sweep.name)
        try:
            self.definition(sweep.name)
        except UsageError:
            if os.path.lexists(path):
                set_aside(path)
        write_sealed(path, dict(sorted(sweep.recorded.model_dump(mode="json").items())), 2)

    def runs(self, name: str) -> list[Run]:
        """Where the runs of a sweep came from, the last one at the end."""
        return self.noted(name, RUNS) or []

    def note_run(self, name: str, of: Provenance, begun: bool) -> None:
        """Notes a run that starts now, beside those before.

        Args:
            name: Name of the sweep.
            of: Where its results come from.
            begun: Whether the sweep has records; those without a note came from versions that nobody knows.
        """
        runs = self.runs(name)
        if begun and not runs and not self._versions_before_runs(name):
            runs = [Run(Provenance(versions=dict.fromkeys(of.versions, "unknown")), times=0)]
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self.note(name, RUNS, noted(runs, of, now))

    def versions(self, name: str) -> dict[str, str]:
        """Versions of the libraries that a sweep has run with, all of them where they changed."""
        found = self._versions_before_runs(name)
        for run in sorted(self.runs(name), key=lambda run: run.first):
            for library, version in run.of.versions.items():
                if version not in found.setdefault(library, []):
                    found[library].append(version)
        return {library: ", ".join(each) for library, each in found.items()}

    def _versions_before_runs(self, name: str) -> dict[str, list[str]]:
        """What earlier versions of this program noted: the versions of libraries alone."""
        return self.noted(name, VERSIONS) or {}

    def journal(self, sweep: Sweep, writable: bool = False, code: SweepCode | None = None) -> Journal:
        """The sweep's journal.

        Args:
            sweep: The sweep.
            writable: See `Journal`.
            code: The code that the sweep trains with; what it last ran with by default.

        Raises:
            UsageError: The journal is damaged; or what the sweep last ran with is lost, and with it which of
                the records are of that code.
        """
        self._check_extent(sweep.name)
        now = self.noted(sweep.name, CODE) if code is None else code
        journal = Journal(self.journal_path(sweep.name), sweep.select, writable, now)
        path = self.folder(sweep.name) / CODE.file
        lost = now is None and not writable
        if lost and any(has_own_code(record.trial, path in self.remarks) for record in journal.records):
            wrong = f"is {'damaged' if path in self.remarks else 'gone'}"
            anew = f"`dropattack run {sweep.name}` notes it anew, and {CHECK}"
            raise UsageError(damage_line(path, wrong, CODE.lost, anew))
        return journal

    def code(self, name: str) -> SweepCode:
        """The code that a sweep last ran with; nothing of sweeps from before that was noted."""
        return self.noted(name, CODE) or {}

    def note_code(self, name: str, code: SweepCode) -> None:
        """Notes the code that a sweep runs with now."""
        plain = {workload: {m: dict(each) for m, each in own.items()} for workload, own in code.items()}
        self.note(name, CODE, plain)

    def total(self, name: str) -> int | None:
        """How many trials a sweep has when it is done, as its last run counted; nothing in older stores."""
        return self.noted(name, TOTAL)

    def note_total(self, name: str, total: int) -> None:
        """Notes how many trials a sweep has when it is done, for whoever asks without its workloads."""
        self.note(name, TOTAL, total)

    def model(self, sweep: str, record: Record) -> Path:
        """Where the best model of a complete trial of a sweep lies, be it that another sweep trained it."""
        folder = self.folder(record.reused_from.split("/")[0] or sweep)
        path = fetch_once(model_path(folder, record.key))
        return fetch_once(model_path(folder, record.former)) if record.former and not path.exists() else path

    def robustness(self, name: str) -> dict[str, Metrics]:
        """What `dropattack robustness` has measured, by trial key."""
        found = self.noted(name, ROBUSTNESS)
        return {} if found is None else dict(found)

    def keep_robustness(self, name: str, measured: Mapping[str, Metrics]) -> None:
        """Makes what was measured durable, all of it at once."""
        self.note(name, ROBUSTNESS, {key: dict(metrics) for key, metrics in sorted(measured.items())})

    def complete_elsewhere(self, sweep: Sweep) -> Elsewhere:
        """Complete records of all other sweeps by trial key, with the sweep's name."""
        found = Elsewhere({}, [])
        for name in self.sweeps():
            if name != sweep.name:
                try:
                    complete = self.complete(name)
                except UsageError as error:
                    found.left_out.append(f"sweep {name!r} is left out of what is reused: {error}")
                else:
                    found.records.update({r.key: (name, r) for r in complete if not r.reused_from})
        return found

    def complete(self, name: str) -> list[Record]:
        """The complete records of a sweep, of whatever code; none where it has not been run."""
        definition = self.definition(name)
        if definition is None:
            return []
        journal = self.journal(definition, code={})
        return [r for r in [*journal.records, *journal.apart] if r.state is State.COMPLETE]

    def note_extent(self, name: str) -> None:
        """Notes how long a sweep's journal is now, so that one that is cut short is told from a young one."""
        self.note(name, EXTENT, self.journal_path(name).stat().st_size)

    def look_at_notes(self, name: str) -> None:
        """Finds the notes of a sweep that are damaged, each a line of `remarks`."""
        for note in NOTES:
            self.noted(name, note)

    def _check_extent(self, name: str) -> None:
        """Refuses a journal that ends before what was noted of it.

        Raises:
            UsageError: It does; the message is a line that names it.
        """
        path, noted = self.journal_path(name), self.noted(name, EXTENT) or 0
        if path.exists() and path.stat().st_size >= noted:
            return
        content = content_of(path)
        if len(content) < noted:
            lines = content.count(b"\n")
            ends = f"it ends after line {lines}, with {len(content):,} of {noted:,} bytes"
            raise UsageError(f"{path} is damaged: {ends}; {CHECK}")

    def noted(self, name: str, note: Note[_T]) -> _T | None:
        """What a note holds; nothing where there is none, and where it is damaged, which is a remark."""
        try:
            return read_note(self.folder(name), note)
        except DamagedNoteError as error:
            path = self.folder(name) / note.file
            self._go_on(path, damage_line(path, f"is damaged: it {error}", note.lost))
            return None

    def note(self, name: str, note: Note[_T], value: _T) -> None:
        """Writes a note; that one was damaged is a remark."""
        if (aside := write_note(self.folder(name), note, value)) is not None:
            path = self.folder(name) / note.file
            self._go_on(path, damage_line(path, f"was damaged and is kept as {aside.name}", note.lost))

    def _go_on(self, path: Path, line: str) -> None:
        """Takes note of a damaged file that is gone on without, once."""
        if path not in self.remarks:
            _log.warning("%s", line)
            self.remarks[path] = line


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # a run that ended before it began has just removed it
        return False
