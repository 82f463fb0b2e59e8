"""The damage matrix: every kind of file of a store, damaged in every way, and what each command says."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from dropattack import UsageError
from search.cli import app
from search.definition.sweepfile import load_sweep
from search.engine.engine import Engine
from search.execution import preflight, tuning
from search.records.store import Store
from search.results.reporting import best_record
from search.service import run_sweep
from trainables.saved import load_model
from trainables.trainable import BROKEN, METRICS, StackTrainable

BASE: dict[str, Any] = {
    "name": "whole",
    "workload": "digits-lenet5",
    "training": {"epochs": 2, "train_size": 128},
    "seeds": [0],
    "stages": [{"name": "grid", "methods": {"standard": {}, "fgsm": {"epsilon": 0.1}}}],
}
BEGUN = BASE | {"name": "begun", "training": {"epochs": 2, "train_size": 100}}
CHECK = "`dropattack store check`"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_bit_flipped(path: Path) -> None:
    """In what the file holds; the padding of a file of tensors holds nothing."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"fc3.bias") if b"fc3.bias" in content and path.suffix == ".pt" else len(content) // 2
    content[at] ^= 4
    path.write_bytes(bytes(content))


def foreign(path: Path) -> None:
    path.write_bytes(b"# A page about something else.\n" * 9)


def deleted(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unreadable(path: Path) -> None:
    """For root, too: to read it is an error of the device."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "emptied": emptied,
    "halved": halved,
    "a bit flipped": a_bit_flipped,
    "foreign": foreign,
    "deleted": deleted,
    "a directory": a_directory,
    "unreadable": unreadable,
}
COMMANDS = ("status", "plan", "report", "robustness", "load_model", "run")


class Says(NamedTuple):
    """What a command does about damage.

    Attributes:
        status: Its exit status; of `load_model`, 2 for its refusal.
        line: What its one line about the damage says, as a pattern; nothing where it says none.
    """

    status: int
    line: str = ""


class Kind(NamedTuple):
    """A kind of file, and what its damage costs.

    Attributes:
        pattern: Where it lies in the sweep's folder.
        says: By command, where that is not to go on in silence.
        but: The same by damage, where that makes a difference.
        sweep: Of which sweep.
    """

    pattern: str
    says: Mapping[str, Says]
    but: Mapping[str, Mapping[str, Says]] = {}
    sweep: str = "whole"


def refused_by(commands: tuple[str, ...], line: str) -> dict[str, Says]:
    return dict.fromkeys(commands, Says(2, line))


def told_by(commands: tuple[str, ...], line: str) -> dict[str, Says]:
    return dict.fromkeys(commands, Says(0, line))


ALL = ("status", "plan", "report", "robustness", "run")
READERS = ("status", "report", "robustness")


def note(file: str) -> Kind:
    """A small file whose damage is one line, and which is not missed where it is gone."""
    return Kind(file, told_by(ALL, rf"{re.escape(file)} (is damaged: it|was damaged)"), {"deleted": {}})


DIRECTORY = "a directory"
"""What is no file is not the program's to remove from among checkpoints or the cache."""

KINDS: dict[str, Kind] = {
    "journal": Kind("journal.log", refused_by(ALL, r"journal\.log (is damaged: it|cannot be read)")),
    "definition": Kind(
        "sweep.json",
        refused_by(READERS, r"sweep\.json is (damaged|gone)")
        | told_by(("plan", "run"), r"sweep\.json is damaged or gone; the sweep is defined anew"),
    ),
    "runs": note("runs.json"),
    "versions": note("versions.json"),
    "code": note("code.json"),
    "total": note("total.json"),
    "extent": note("journal.json"),
    "report's checksum": note("report.json"),
    "verdict": note("verdict.json"),
    "robustness": note("robustness.json"),
    "model": Kind(
        "models/{best}.pt",
        {
            "robustness": Says(0, r"is left out: .*\.pt"),
            "load_model": Says(2, r"\.pt"),
            "run": Says(0, r"a winner's model is not shown in MLflow"),
        },
        {
            "deleted": {
                "robustness": Says(0, "1 complete trials have no model"),
                "load_model": Says(2, "no model file"),
            }
        },
    ),
    "checkpoint": Kind(
        "checkpoints/*.pt",
        {},
        {DIRECTORY: {"run": Says(1, "a file of the store .* can no longer be used")}},
        sweep="begun",
    ),
    "report": Kind("report/report.html", {}),
    "cache entry": Kind(
        "cache",
        {},
        {DIRECTORY: refused_by(("plan", "robustness", "run"), "cannot use the cache")},
        sweep="begun",
    ),
}


class House:
    """A store with a finished sweep and one that was interrupted, damaged and restored in place."""

    _PARTS = ("sweeps", "cache")

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.store = Store(root / "runs")
        self.limit: int | None = None
        root.mkdir(parents=True, exist_ok=True)
        patch.chdir(root)
        patch.setenv("DROPATTACK_CACHE", str(root / "runs" / "cache"))
        patch.setattr(tuning, "connect", lambda verbose: None)
        patch.setattr(preflight, "check_cluster", lambda *_: None)
        patch.setattr(tuning, "run", self._train)
        for raw in (BASE, BEGUN):
            (root / f"{raw['name']}.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
            self.limit = 3 if raw is BEGUN else None
            sweep = load_sweep(f"{raw['name']}.yaml")
            run_sweep(sweep, self.store, root / "data", Console(quiet=True))
        self.limit = None
        records = self.store.complete("whole")
        winner = best_record(load_sweep("whole.yaml"), records)
        assert winner is not None
        self.best, self.method = winner.key, winner.trial.method
        self.command("robustness", "whole")
        self.store.folder("whole").joinpath("versions.json").write_text(
            '{"torch": ["2.11"]}', encoding="utf-8"
        )
        self._whole = root / "whole-runs"
        for part in self._PARTS:
            shutil.copytree(self.store.root / part, self._whole / part, symlinks=True)

    def _train(self, engine: Engine, folder: Path, data: Path, verbose: bool) -> None:
        """Trains in this process as Ray's would, one trial after the other; up to a limit of epochs."""
        threads = torch.get_num_threads()
        epochs = 0
        while (record := engine.next()) is not None:
            worker = StackTrainable.__new__(StackTrainable)
            config = {"trials": [record.trial.to_dict()], "recorded": [len(record.epochs)], "threads": 1}
            config |= {"lives": [[]], "checkpoint_seconds": None, "gpus": 0, "compile": False}
            worker.setup(config | {"data": str(data), "folder": str(folder)})
            goes_on = True
            while goes_on:
                reported = worker.step()
                if BROKEN in reported:
                    raise OSError(reported[BROKEN])
                for key, metrics, *_ in reported[METRICS]:
                    goes_on = engine.report(key, metrics)
                epochs += 1
                if epochs == self.limit:
                    torch.set_num_threads(threads)
                    return
        torch.set_num_threads(threads)

    def journal_is_untouched(self) -> bool:
        """Whether the journal of the finished sweep is as it was."""
        place = self.store.journal_path("whole").relative_to(self.store.root)
        return (self.store.root / place).read_bytes() == (self._whole / place).read_bytes()

    def path(self, kind: Kind) -> Path:
        """The file of a kind."""
        if kind.pattern == "cache":
            (path,) = (self.store.root / "cache").glob("digits-*.pt")
            return path
        return next(self.store.folder(kind.sweep).glob(kind.pattern.format(best=self.best)))

    @contextmanager
    def damaged(self, kind: Kind, damage: str) -> Iterator[Path]:
        """Damages the file of a kind, and puts everything back afterwards."""
        path = self.path(kind)
        DAMAGES[damage](path)
        try:
            yield path
        finally:
            for part in self._PARTS:  # MLflow's database is open, and is not what is damaged here
                shutil.rmtree(self.store.root / part)
                shutil.copytree(self._whole / part, self.store.root / part, symlinks=True)

    def command(self, name: str, sweep: str) -> Result:
        """The command line in this process; an error that it does not handle is the caller's."""
        words = {
            "plan": ("plan", f"{sweep}.yaml"),
            "run": ("run", f"{sweep}.yaml"),
            "robustness": ("robustness", sweep, "--attacks", "fgsm:0.1"),
        }
        arguments = words.get(name, (name, sweep))
        return CliRunner().invoke(app, arguments, catch_exceptions=False)


def check(house: House, kind: Kind, damage: str, command: str) -> None:
    """Damages a file, runs a command, and checks what it says and costs."""
    expected = kind.but.get(damage, kind.says).get(command, Says(0))
    with house.damaged(kind, damage) as path:
        if command == "load_model":
            check_load_model(house, expected)
            return
        if kind.pattern.startswith("models/"):
            if command == "robustness":
                house.store.robustness_path("whole").unlink()
            (house.store.folder("whole") / "settled").unlink()
        said = house.command(command, kind.sweep)
        assert said.exit_code == expected.status, said.output
        lines = [line for line in said.output.splitlines() if CHECK in line or "Traceback" in line]
        if expected.line and not any(re.search(expected.line, line) for line in lines):
            lines += [line for line in said.output.splitlines() if re.search(expected.line, line)]
        assert len(lines) == bool(expected.line), said.output
        assert all(re.search(expected.line, line) for line in lines)
        if expected.status:
            assert damage == "deleted" or os.path.lexists(path), "what is refused is not touched"
            return
        if kind.sweep == "whole":
            assert house.journal_is_untouched(), "nothing was trained again"
        if command in ("report", "run", "robustness"):
            report = house.store.report(kind.sweep).read_text(encoding="utf-8")
            assert report.rstrip().endswith("</html>")
        if command == "run":
            assert [record.finished for record in house.store.complete(kind.sweep)] == [True, True]


def check_load_model(house: House, expected: Says) -> None:
    """`load_model` gives the model, or refuses it in one line."""
    model = house.store.folder("whole") / "models" / f"{house.best}.pt"
    if expected.status:
        with pytest.raises(UsageError, match=expected.line) as refused:
            load_model(model)
        assert "\n" not in str(refused.value)
    else:
        assert load_model(model).trial.method == house.method
