"""Stores that break the contract, each in its own way, fail the test that is about it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from dropattack.testing import StoreContract
from search.definition.sweep import Sweep
from search.records.code import SweepCode
from search.records.elsewhere import Elsewhere
from search.records.journal import Journal
from search.records.provenance import Provenance
from search.records.record import Record, State
from search.records.store import Store
from trainables.recipe.measured import Metrics


class Folder(StoreContract):
    """A contract for a kind of store and a kind of journal."""

    store: type[Store] = Store
    journal: type[Journal] = Journal

    @override
    def make(self, folder: Path) -> Store:
        contract = self

        class Made(self.store):  # type: ignore[name-defined, misc]
            @override
            def journal(self, sweep: Sweep, writable: bool = False, code: SweepCode | None = None) -> Journal:
                code = self.code(sweep.name) if code is None else code
                return contract.journal(self.journal_path(sweep.name), sweep.select, writable, code)

        return Made(folder)


class ForgetsReasons(Journal):
    @override
    def finish(self, record: Record, state: State, reason: str = "", reused_from: str = "") -> None:
        super().finish(record, state, "", reused_from)
        record.reason = reason


class KeepsTheFirst(Journal):
    @override
    def append(self, record: Record, metrics: Metrics) -> bool:
        return int(metrics["epoch"]) > len(record.epochs) and super().append(record, metrics)


class KeepsWhatFollowed(Journal):
    @override
    def append(self, record: Record, metrics: Metrics) -> bool:
        followed = record.epochs[int(metrics["epoch"]) :]
        new = super().append(record, metrics)
        record.epochs += followed
        return new


class RepeatsItself(Journal):
    @override
    def append(self, record: Record, metrics: Metrics) -> bool:
        return super().append(record, metrics) or True


class ReadsBackwards(Journal):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.records.reverse()


class LosesTheLast(Journal):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for record in self.records:
            del record.epochs[2:]


class HoldsBack(Journal):
    """Is seen by readers one epoch late."""

    def __init__(self, path: Path, select: Any, writable: bool, code: SweepCode) -> None:
        super().__init__(path, select, writable, code)
        for record in self.records if not writable else ():
            record.epochs[-1:] = []


class MakesFolders(Store):
    @override
    def definition(self, name: str) -> Sweep | None:
        self.folder(name).mkdir(parents=True, exist_ok=True)
        return super().definition(name)


class ForgetsSections(Store):
    @override
    def define(self, sweep: Sweep) -> None:
        super().define(sweep.model_copy(update={"model": {}}))


class DefinesOnce(Store):
    @override
    def define(self, sweep: Sweep) -> None:
        if self.definition(sweep.name) is None:
            super().define(sweep)


class NotesTheLatest(Store):
    @override
    def note_run(self, name: str, of: Provenance, begun: bool) -> None:
        (self.folder(name) / "runs.json").unlink(missing_ok=True)
        super().note_run(name, of, begun)


class MixesCode(Store):
    @override
    def code(self, name: str) -> SweepCode:
        return {}


class AddsUp(Store):
    @override
    def keep_robustness(self, name: str, measured: Mapping[str, Metrics]) -> None:
        super().keep_robustness(name, {**self.robustness(name), **measured})


class CountsTwice(Store):
    @override
    def complete_elsewhere(self, sweep: Sweep) -> Elsewhere:
        others = [name for name in self.sweeps() if name != sweep.name]
        records = {record.key: (name, record) for name in others for record in self.complete(name)}
        return Elsewhere(records, [])


class Unlocked(Folder):
    @contextmanager
    @override
    def writing(self, store: Store, sweep: Sweep) -> Iterator[Journal]:
        yield store.journal(sweep, writable=True)


def with_journal(kind: type[Journal]) -> Folder:
    contract = Folder()
    contract.journal = kind
    return contract


def with_store(kind: type[Store]) -> Folder:
    contract = Folder()
    contract.store = kind
    return contract


BROKEN = [
    (with_journal(ForgetsReasons), "what_was_recorded_is_there"),
    (with_journal(KeepsTheFirst), "a_result_that_comes_again_and_differs"),
    (with_journal(KeepsWhatFollowed), "a_result_that_comes_again_and_differs"),
    (with_journal(RepeatsItself), "a_result_that_comes_again_is_recorded_once"),
    (with_journal(ReadsBackwards), "records_keep_their_order"),
    (with_journal(LosesTheLast), "a_reader_sees"),
    (with_journal(HoldsBack), "a_reader_sees"),
    (with_journal(HoldsBack), "writing_goes_on"),
    (with_store(MakesFolders), "reading_makes_nothing"),
    (with_store(ForgetsSections), "definitions_round_trip"),
    (with_store(DefinesOnce), "a_sweep_is_defined"),
    (with_store(NotesTheLatest), "runs_are_noted"),
    (with_store(MixesCode), "records_of_other_code"),
    (with_store(AddsUp), "robustness_is_kept"),
    (with_store(CountsTwice), "complete_trials_of_other_sweeps"),
    (Unlocked(), "a_sweep_has_one_writer"),
    (Unlocked(), "a_request_that_is_refused"),
]


@pytest.mark.parametrize(("contract", "about"), BROKEN, ids=[about for _, about in BROKEN])
def test_what_breaks_the_contract_fails(contract: Folder, about: str, tmp_path: Path) -> None:
    (test,) = (getattr(contract, name) for name in dir(contract) if name.startswith(f"test_{about}"))
    options: dict[str, Any] = {}
    if about.endswith("differs"):
        options = {"changes": {"train_loss": 0.75}, "reopened": False}
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(tmp_path, **options)


def test_a_journal_that_is_not_mended_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Torn(Folder):
        @override
        def tear(self, store: Store, sweep: Sweep, cut: int) -> None:
            path = store.journal_path(sweep.name)
            path.write_bytes(path.read_bytes()[:-cut])

    Torn().test_a_torn_append_costs_that_append_only(tmp_path / "mended", 7)
    monkeypatch.setattr("search.records.journal._mend", lambda path: None)
    with pytest.raises(OSError, match="something else cut it"):
        Torn().test_a_torn_append_costs_that_append_only(tmp_path / "torn", 7)


def test_a_store_without_torn_appends_skips_that_test(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="no `tear`"):
        Folder().test_a_torn_append_costs_that_append_only(tmp_path, 1)


def test_a_contract_without_make_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="StoreContract must define make"):
        StoreContract().make(tmp_path)
