"""What was recorded is there, once and in order, after reopening and after a kill; one writer at a time."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from dropattack import UsageError
from dropattack.testing.stores.cases import (
    StoreCases,
    content,
    contents,
    small_sweep,
    some_metrics,
    some_trial,
)
from dropattack.testing.stores.writer import EPOCHS, writer_elsewhere
from search.records.journal import Journal
from search.records.record import State

NAN = float("nan")


class Recording(StoreCases):
    """See the module."""

    def test_what_was_recorded_is_there_after_reopening(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        params = {"epsilon": 0.3, "k": 2.0, "targets": 1}
        allowed: dict[str, BaseDistribution] = {
            "epsilon": FloatDistribution(0.01, 10.0, log=True),
            "k": IntDistribution(1, 3),
            "targets": CategoricalDistribution(["input", "input+conv1.w"]),
        }
        distributions = {name: distribution_to_json(one) for name, one in allowed.items()}
        reason = "out of memory: 1,5 GiB für „conv1“\nand a second line"
        odd = {"train_relative_size": float("inf"), "train_skipped": NAN, "valid_f1": -0.0, "train_x": 1e-320}
        with self.writing(self.make(tmp_path), sweep) as journal:
            complete = journal.add("grid", some_trial(0), params, distributions)
            for epoch in (1, 2):
                assert journal.append(complete, some_metrics(epoch, **odd))
            journal.finish(complete, State.COMPLETE)
            journal.finish(journal.add("grid", some_trial(1)), State.FAILED, reason)
            pruned = journal.add("more", some_trial(2))
            journal.append(pruned, some_metrics(1))
            journal.finish(pruned, State.PRUNED)
            journal.append(journal.add("more", some_trial(3)), some_metrics(1))
            journal.add("more", some_trial(0), answer=complete, reused_from="small/grid")
            written = contents(journal)
        reopened = self.make(tmp_path).journal(sweep)
        assert contents(reopened) == written
        first, failed, _, running, answered = reopened.records
        assert (first.stage, first.trial, first.params) == ("grid", some_trial(0), params)
        assert first.distributions == distributions
        assert [repr({n: m[n] for n in odd}) for m in first.epochs] == [repr(odd)] * 2
        assert [r.state for r in reopened.records] == [
            State.COMPLETE,
            State.FAILED,
            State.PRUNED,
            State.RUNNING,
            State.COMPLETE,
        ]
        assert failed.reason == reason
        assert [m["valid_accuracy"] for m in running.epochs] == [0.5]
        assert answered.reused_from == "small/grid"
        assert repr(answered.epochs) == repr(first.epochs)

    def test_records_keep_their_order(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        places = [("more", "mnist-lenet5"), ("grid", "digits-lenet5"), ("more", "digits-lenet5")] * 4
        with self.writing(self.make(tmp_path), sweep) as journal:
            added = [
                journal.add(stage, some_trial(seed % 5, workload))
                for seed, (stage, workload) in enumerate(places)
            ]
        reopened = self.make(tmp_path).journal(sweep)
        numbers = [record.number for record in reopened.records]
        assert numbers == [record.number for record in added] == sorted(set(numbers))
        assert [(r.stage, r.trial.workload) for r in reopened.records] == places
        for record in added:
            expected = [other.number for other in added if other.key == record.key]
            assert [other.number for other in reopened.with_key(record.key)] == expected
        assert list(reopened.with_key("no such key")) == []

    def test_a_result_that_comes_again_is_recorded_once(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        first = some_metrics(1, train_skipped=NAN)
        with self.writing(self.make(tmp_path), sweep) as journal:
            record = journal.add("grid", some_trial())
            assert journal.append(record, first)
            assert not journal.append(record, first | {"seconds": 9.0, "train_seconds": 8.0})
            written = contents(journal)
        with self.writing(self.make(tmp_path), sweep) as journal:
            assert not journal.append(journal.records[0], dict(first)), "after reopening it is new again"
            assert contents(journal) == written
        assert contents(self.make(tmp_path).journal(sweep)) == written

    @pytest.mark.parametrize("reopened", [False, True], ids=["at once", "reopened"])
    @pytest.mark.parametrize(
        "changes", [{"train_loss": 0.75}, {"valid_accuracy": NAN}, {"train_skipped": 0.0}], ids=str
    )
    def test_a_result_that_comes_again_and_differs_replaces_what_followed(
        self, tmp_path: Path, changes: dict[str, float], reopened: bool
    ) -> None:
        sweep = small_sweep()
        again, next_one = some_metrics(2, **changes), some_metrics(3, valid_accuracy=0.625)
        with self.writing(self.make(tmp_path), sweep) as journal:
            record = journal.add("grid", some_trial())
            for epoch in (1, 2, 3, 4):
                journal.append(record, some_metrics(epoch))
            other = journal.add("grid", some_trial(1))
            journal.append(other, some_metrics(1))
            if not reopened:
                self._replaced(journal, again)
        if reopened:
            with self.writing(self.make(tmp_path), sweep) as journal:
                self._replaced(journal, again)
        with self.writing(self.make(tmp_path), sweep) as journal:
            first, second = journal.records
            assert [repr(_timeless(m)) for m in first.epochs] == [repr(some_metrics(1)), repr(again)]
            assert [_timeless(m) for m in second.epochs] == [some_metrics(1)]
            assert journal.append(first, next_one)
            journal.finish(first, State.COMPLETE)
        first, _ = self.make(tmp_path).journal(sweep).records
        assert first.state is State.COMPLETE
        assert [repr(_timeless(m)) for m in first.epochs[1:]] == [repr(again), repr(next_one)]

    @staticmethod
    def _replaced(journal: Journal, again: dict[str, float]) -> None:
        first, _ = journal.records
        assert journal.append(first, again)
        assert not journal.append(first, dict(again)), "the same once more"
        assert [repr(_timeless(m)) for m in first.epochs] == [repr(some_metrics(1)), repr(again)]

    def test_writing_goes_on_after_reopening(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        with self.writing(self.make(tmp_path), sweep) as journal:
            journal.append(journal.add("grid", some_trial(0)), some_metrics(1))
        with self.writing(self.make(tmp_path), sweep) as journal:
            (record,) = journal.records
            journal.append(record, some_metrics(2))
            journal.finish(record, State.COMPLETE)
            second = journal.add("grid", some_trial(1))
            assert second.number > record.number
            written = contents(journal)
        reopened = self.make(tmp_path).journal(sweep)
        assert contents(reopened) == written
        assert [m["epoch"] for m in reopened.records[0].epochs] == [1, 2]

    @pytest.mark.parametrize("cut", [1, 7, 40])
    def test_a_torn_append_costs_that_append_only(self, tmp_path: Path, cut: int) -> None:
        sweep = small_sweep()
        store = self.make(tmp_path)
        with self.writing(store, sweep) as journal:
            record = journal.add("grid", some_trial())
            for epoch in (1, 2):
                journal.append(record, some_metrics(epoch))
            kept = content(record)
            journal.append(record, some_metrics(3))
        self.tear(store, sweep, cut)
        read = contents(self.make(tmp_path).journal(sweep))
        with self.writing(self.make(tmp_path), sweep) as journal:
            (found,) = journal.records
            epochs = [int(metrics["epoch"]) for metrics in found.epochs]
            assert epochs in ([1, 2], [1, 2, 3])
            assert content(found) == kept or epochs == [1, 2, 3]
            assert read == contents(journal)
            for epoch in range(len(epochs) + 1, 6):
                assert journal.append(found, some_metrics(epoch))
            journal.finish(found, State.COMPLETE)
            written = contents(journal)
        assert contents(self.make(tmp_path).journal(sweep)) == written

    def test_a_reader_sees_what_is_recorded_and_disturbs_no_writer(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        with self.writing(self.make(tmp_path), sweep) as journal:
            record = journal.add("grid", some_trial())
            for epoch in range(1, 4):
                journal.append(record, some_metrics(epoch))
                assert contents(self.make(tmp_path).journal(sweep)) == contents(journal)

    def test_reading_makes_nothing(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        assert store.journal(small_sweep()).records == []
        assert store.sweeps() == []
        assert store.definition("small") is None
        assert store.complete("small") == []
        assert store.complete_elsewhere(small_sweep()).records == {}
        assert store.runs("small") == []
        assert store.versions("small") == {}
        assert store.code("small") == {}
        assert store.robustness("small") == {}
        assert list(tmp_path.rglob("*")) == []

    def test_a_sweep_has_one_writer_at_a_time(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        store = self.make(tmp_path)
        with self.writing(store, sweep) as journal:
            journal.add("grid", some_trial(0))
            with pytest.raises(UsageError), self.writing(self.make(tmp_path), sweep) as second:
                second.add("grid", some_trial(1))
            with self.writing(store, small_sweep("other")) as other:
                other.add("grid", some_trial(2))
            journal.add("grid", some_trial(3))
        assert [r.trial.seed for r in self.make(tmp_path).journal(sweep).records] == [0, 3]
        with self.writing(self.make(tmp_path), sweep) as journal:
            journal.add("grid", some_trial(4))
        assert [r.trial.seed for r in self.make(tmp_path).journal(sweep).records] == [0, 3, 4]

    def test_a_killed_writer_loses_nothing_and_stands_in_nobodys_way(self, tmp_path: Path) -> None:
        sweep = small_sweep()
        with writer_elsewhere(self, tmp_path):
            with pytest.raises(UsageError) as caught, self.writing(self.make(tmp_path), sweep) as journal:
                journal.add("grid", some_trial(1))
            assert "\n" not in str(caught.value)
            assert len(self.make(tmp_path).journal(sweep).records[0].epochs) == EPOCHS
        with self.writing(self.make(tmp_path), sweep) as journal:
            (record,) = journal.records
            assert [int(metrics["epoch"]) for metrics in record.epochs] == [1, 2, 3]
            assert not journal.append(record, some_metrics(EPOCHS))
            assert journal.append(record, some_metrics(EPOCHS + 1))

    def test_a_request_that_is_refused_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="refused"), self.writing(self.make(tmp_path), small_sweep()):
            raise UsageError("refused")
        assert self.make(tmp_path).sweeps() == []
        assert list(tmp_path.rglob("*")) == []


def _timeless(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "recorded_at"}
