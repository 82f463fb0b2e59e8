"""Where sweeps are kept: a folder with a journal for each, MLflow's database, models and reports."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.records.code import SweepCode
from search.records.journal import Journal
from search.records.provenance import Provenance, Run, noted
from search.records.record import Record, State
from trainables.disk import model_path, write_atomically
from trainables.recipe.measured import Metrics

_RUNS = TypeAdapter(list[Run])
_CODE = TypeAdapter(dict[str, dict[str, dict[str, str]]])
_VERSIONS = TypeAdapter(dict[str, list[str]])
_TOTAL = TypeAdapter(int)
_ROBUSTNESS = TypeAdapter(dict[str, dict[str, float]])
_Notes = TypeVar("_Notes")


class Elsewhere(NamedTuple):
    """What other sweeps of a store hold.

    Attributes:
        records: Their complete records by trial key, with the sweep's name.
        left_out: A line for each of them that cannot be read.
    """

    records: dict[str, tuple[str, Record]]
    left_out: list[str]


class Store:
    """A folder that holds everything that sweeps record.

    ``sweeps/NAME/`` has the sweep's definition, journal, checkpoints, models, report, where each run of it
    came from and what attacks on its models gave; ``mlflow.db`` and ``artifacts/`` are MLflow's, and
    ``store.json`` tells the store from others that share an MLflow server.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, sweep: str) -> Path:
        """The folder of one sweep."""
        return self.root / "sweeps" / sweep

    def report(self, sweep: str) -> Path:
        """Where the report of a sweep lies, once it is written."""
        return self.folder(sweep) / "report" / "report.html"

    def robustness_path(self, sweep: str) -> Path:
        """Where what attacks on a sweep's models gave is kept."""
        return self.folder(sweep) / "robustness.json"

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
        """Names of the sweeps that have been run."""
        return sorted(path.parent.name for path in self.root.glob("sweeps/*/sweep.json"))

    def definition(self, name: str) -> Sweep | None:
        """The sweep as it was last run, or nothing.

        Raises:
            UsageError: It cannot be read.
        """
        path = self.folder(name) / "sweep.json"
        if not path.exists():
            return None
        try:
            return Sweep.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError:
            raise UsageError(f"{path} is of another version of this program or damaged") from None

    def recorded(self, name: str) -> Sweep:
        """The definition of a sweep that has been run.

        Raises:
            UsageError: None of that name has been run in this store, or it cannot be read.
        """
        sweep = self.definition(name)
        if sweep is None:
            known = ", ".join(self.sweeps()) or "none"
            raise UsageError(f"sweep {name!r} has not been run in {self.root}; those that have: {known}")
        return sweep

    def define(self, sweep: Sweep) -> None:
        """Notes the sweep as it is run now."""
        text = json.dumps(sweep.model_dump(mode="json"), indent=2, sort_keys=True)
        write_atomically(self.folder(sweep.name) / "sweep.json", text.encode())

    def runs(self, name: str) -> list[Run]:
        """Where the runs of a sweep came from, the last one at the end.

        Raises:
            UsageError: The notes cannot be read.
        """
        return _read(self._runs_path(name), _RUNS) or []

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
        text = json.dumps([asdict(run) for run in noted(runs, of, now)], indent=1)
        write_atomically(self._runs_path(name), text.encode())

    def versions(self, name: str) -> dict[str, str]:
        """Versions of the libraries that a sweep has run with, all of them where they changed."""
        found = self._versions_before_runs(name)
        for run in sorted(self.runs(name), key=lambda run: run.first):
            for library, version in run.of.versions.items():
                if version not in found.setdefault(library, []):
                    found[library].append(version)
        return {library: ", ".join(each) for library, each in found.items()}

    def _runs_path(self, name: str) -> Path:
        return self.folder(name) / "runs.json"

    def _versions_before_runs(self, name: str) -> dict[str, list[str]]:
        """What earlier versions of this program noted: the versions of libraries alone."""
        return _read(self.folder(name) / "versions.json", _VERSIONS) or {}

    def journal(self, sweep: Sweep, writable: bool = False, code: SweepCode | None = None) -> Journal:
        """The sweep's journal.

        Args:
            sweep: The sweep.
            writable: See `Journal`.
            code: The code that the sweep trains with; what it last ran with by default.
        """
        code = self.code(sweep.name) if code is None else code
        return Journal(self.journal_path(sweep.name), sweep.select, writable, code)

    def code(self, name: str) -> SweepCode:
        """The code that a sweep last ran with; nothing of sweeps from before that was noted."""
        return _read(self.folder(name) / "code.json", _CODE) or {}

    def note_code(self, name: str, code: SweepCode) -> None:
        """Notes the code that a sweep runs with now."""
        text = json.dumps(code, indent=1, sort_keys=True)
        write_atomically(self.folder(name) / "code.json", text.encode())

    def total(self, name: str) -> int | None:
        """How many trials a sweep has when it is done, as its last run counted; nothing in older stores."""
        return _read(self.folder(name) / "total.json", _TOTAL)

    def note_total(self, name: str, total: int) -> None:
        """Notes how many trials a sweep has when it is done, for whoever asks without its workloads."""
        write_atomically(self.folder(name) / "total.json", str(total).encode())

    def model(self, sweep: str, record: Record) -> Path:
        """Where the best model of a complete trial of a sweep lies, be it that another sweep trained it."""
        folder = self.folder(record.reused_from.split("/")[0] or sweep)
        path = model_path(folder, record.key)
        return model_path(folder, record.former) if record.former and not path.exists() else path

    def robustness(self, name: str) -> dict[str, Metrics]:
        """What `dropattack robustness` has measured, by trial key."""
        path = self.robustness_path(name)
        return _read(path, _ROBUSTNESS) or {}

    def keep_robustness(self, name: str, measured: Mapping[str, Metrics]) -> None:
        """Makes what was measured durable, all of it at once."""
        text = json.dumps(measured, indent=1, sort_keys=True)
        write_atomically(self.robustness_path(name), text.encode())

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
        journal = self.journal(definition)
        return [r for r in [*journal.records, *journal.apart] if r.state is State.COMPLETE]


def _read(path: Path, kind: TypeAdapter[_Notes]) -> _Notes | None:
    """What a file of notes holds; nothing where there is none."""
    try:
        return kind.validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError:
        raise UsageError(
            f"{path} is of another version of this program or damaged; move it away to go on without it"
        ) from None
