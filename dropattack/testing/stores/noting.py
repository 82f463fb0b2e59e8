"""What a store keeps beside records: definitions, runs, code, results of attacks, and what is complete."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dropattack.testing.stores.cases import StoreCases, small_sweep, some_metrics, some_trial
from search.definition.source import bundled_sweeps
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep
from search.records.provenance import Provenance
from search.records.record import State
from search.records.store import Store


class Noting(StoreCases):
    """See the module."""

    def test_definitions_round_trip(self, tmp_path: Path) -> None:
        """Those of all sweeps that ship, and one that sets what they leave alone."""
        full = small_sweep(
            "full",
            training={"epochs": 3, "learning_rate": [0.001, 1e-05]},
            model={"dropout": [0.0, 0.5]},
            select={"metric": "loss"},
            resources={"cpus": 0.5, "gpus": "auto"},
            limits={"trials": 5, "hours": 0.1, "gpu_hours": 1, "passes": 10**12},
            scales={"quick": {"training.epochs": 1}},
        )
        sweeps = {name: load_sweep(name) for name in bundled_sweeps()} | {"full": full}
        store = self.make(tmp_path)
        for sweep in reversed(sweeps.values()):
            store.define(sweep)
        again = self.make(tmp_path)
        assert again.sweeps() == sorted(sweep.name for sweep in sweeps.values())
        for sweep in sweeps.values():
            assert again.definition(sweep.name) == sweep
        assert again.definition("no-such-sweep") is None

    def test_a_sweep_is_defined_as_it_was_last_run(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        changed = small_sweep(seeds=[0, 1], summary="Größer „und“ später.")
        for sweep in (small_sweep(), changed):
            store.define(sweep)
        assert self.make(tmp_path).definition("small") == changed
        assert self.make(tmp_path).sweeps() == ["small"]

    def test_runs_are_noted_beside_those_of_before(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        first = Provenance(command="run small", versions={"torch": "2.11", "ray": "2.50"})
        second = Provenance(command="run small „ü“", versions={"torch": "2.13", "ray": "2.50"})
        store.note_run("small", first, begun=False)
        for _ in range(2):
            self.make(tmp_path).note_run("small", second, begun=True)
        again = self.make(tmp_path)
        assert [(run.of, run.times) for run in again.runs("small")] == [(first, 1), (second, 2)]
        assert again.versions("small") == {"torch": "2.11, 2.13", "ray": "2.50"}
        store.note_run("other", second, begun=True)
        assert self.make(tmp_path).versions("other")["torch"] == "unknown, 2.13"

    def test_records_of_other_code_stay_apart(self, tmp_path: Path) -> None:
        sweep, store = small_sweep(), self.make(tmp_path)
        workload = some_trial().workload
        before, now = ({workload: {"standard": {"mine": digest}}} for digest in ("one", "other"))
        self._record(store, sweep, [State.COMPLETE], code={"mine": "one"})
        store.note_code("small", before)
        assert self.make(tmp_path).code("small") == before
        assert len(self.make(tmp_path).journal(sweep).records) == 1
        store.note_code("small", now)
        journal = self.make(tmp_path).journal(sweep)
        assert (journal.records, len(journal.apart)) == ([], 1)
        assert len(self.make(tmp_path).complete("small")) == 1, "they are complete all the same"
        assert self.make(tmp_path).code("other") == {}

    def test_robustness_is_kept(self, tmp_path: Path) -> None:
        measured = {some_trial(seed).key: {"test_fgsm_0.1_accuracy": seed / 3} for seed in range(2)}
        self.make(tmp_path).keep_robustness("small", measured)
        assert self.make(tmp_path).robustness("small") == measured
        self.make(tmp_path).keep_robustness("small", {})
        assert self.make(tmp_path).robustness("small") == {}

    def test_complete_trials_of_other_sweeps_are_found(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        first, second = small_sweep("first"), small_sweep("second")
        self._record(store, first, [State.COMPLETE, State.FAILED, State.PRUNED, State.RUNNING])
        with self.writing(store, second) as journal:
            answer = store.complete("first")[0]
            journal.add("grid", some_trial(0), answer=answer, reused_from="first/grid")
        store.define(second)
        again = self.make(tmp_path)
        assert [record.trial.seed for record in again.complete("first")] == [0]
        assert [record.reused_from for record in again.complete("second")] == ["first/grid"]
        assert again.complete_elsewhere(first).records == {}, "what was reused counts where it was trained"
        (name, found) = again.complete_elsewhere(second).records[some_trial(0).key]
        assert (name, found.trial, found.stage) == ("first", some_trial(0), "grid")

    def _record(
        self, store: Store, sweep: Sweep, states: list[State], code: Mapping[str, str] | None = None
    ) -> None:
        with self.writing(store, sweep) as journal:
            for seed, state in enumerate(states):
                record = journal.add("grid", replace(some_trial(seed), code=code or {}))
                journal.append(record, some_metrics(1))
                if state is not State.RUNNING:
                    journal.finish(record, state)
        store.define(sweep)
