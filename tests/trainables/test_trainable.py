"""Stacks of trials in a worker process, driven by hand instead of by Tune."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainables.disk import checkpoint_path
from trainables.saved import load_model
from trainables.trainable import (
    BROKEN,
    DIVERGED,
    FAILURE,
    METRICS,
    NO_GPU,
    OUT_OF_MEMORY,
    TRACEBACK,
    StackTrainable,
)
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPOCHS = 3


def trial(epsilon: float, seed: int = 0, **options: Any) -> Trial:
    settings = TrainingSettings(**{"epochs": EPOCHS, "train_size": 200, **options})
    hyperparameters = {"targets": "input+conv1.w", "epsilon": epsilon}
    return Trial.make("digits-lenet5", "dropattack", hyperparameters, settings, seed, "digits")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def config(folder: Path, trials: Sequence[Trial], recorded: Sequence[int] = ()) -> dict[str, Any]:
    there = {"data": str(folder), "folder": str(folder), "threads": 1, "gpus": 0, "compile": False}
    epochs = list(recorded) or [0] * len(trials)
    there |= {"checkpoint_seconds": None, "lives": [[] for _ in trials]}
    return {"trials": [one.to_dict() for one in trials], "recorded": epochs, **there}


def process(folder: Path, *trials: Trial) -> StackTrainable:
    """A worker as Tune would make it, without its logging."""
    worker = StackTrainable.__new__(StackTrainable)
    worker.setup(config(folder, trials))
    return worker


def reported(worker: StackTrainable, steps: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(steps):
        result = worker.step()
        assert result[DIVERGED] == []
        for key, metrics, _ in result[METRICS]:
            found.setdefault(key, []).append(metrics)
    return found


def alone(one: Trial, folder: Path) -> list[dict[str, float]]:
    training = Training(one, workload_named(one.workload).load(folder))
    return [training.epoch() for _ in range(EPOCHS)]


def same(found: Sequence[dict[str, float]], expected: Sequence[dict[str, float]], tolerance: float) -> bool:
    """Whether all but the times agree."""
    return len(found) == len(expected) and all(
        one.keys() ^ other.keys() <= {"cpu_seconds", "gpus"}
        and all(
            abs(one[n] - other[n]) <= tolerance
            for n in one.keys() & other.keys()
            if not n.endswith("seconds")
        )
        for one, other in zip(found, expected, strict=True)
    )


def test_an_epoch_says_how_much_cpu_it_took(tmp_path: Path) -> None:
    before = time.thread_time()
    trials = [trial(1.0), trial(2.0)]
    found = reported(process(tmp_path, *trials), EPOCHS)
    spent = [metrics["cpu_seconds"] for history in found.values() for metrics in history]
    assert {metrics["gpus"] for history in found.values() for metrics in history} == {0}
    assert min(spent) > 0
    assert sum(spent) <= time.thread_time() - before


def test_a_trial_by_itself_is_its_training_bit_for_bit(tmp_path: Path) -> None:
    one = trial(1.0)
    found = reported(process(tmp_path, one), EPOCHS)
    assert same(found[one.key], alone(one, tmp_path), tolerance=0)
    assert load_model(tmp_path / "models" / f"{one.key}.pt").trial == one


def test_a_finished_trial_whose_model_could_not_be_written_is_not_taken_for_done(tmp_path: Path) -> None:
    one = trial(1.0)
    worker = process(tmp_path, one)
    reported(worker, EPOCHS - 1)
    (tmp_path / "models").write_text("where a folder should be")
    assert list(worker.step()) == [BROKEN, TRACEBACK]
    (tmp_path / "models").unlink()
    found = reported(process(tmp_path, one), EPOCHS)
    assert same(found[one.key], alone(one, tmp_path), tolerance=0)
    assert load_model(tmp_path / "models" / f"{one.key}.pt").trial == one


def test_without_a_share_of_a_gpu_a_trial_trains_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    worker = process(tmp_path, trial(1.0))
    assert worker._resume(trial(1.0)).device == torch.device("cpu")


@pytest.mark.parametrize("gpus", [0.1, 1, 1.0, 2])
def test_a_process_without_the_gpu_that_it_was_promised_trains_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gpus: float
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    trials = [trial(1.0), trial(5.0)]
    worker = process(tmp_path, *trials)
    worker.reset_config(config(tmp_path, trials) | {"gpus": gpus})
    result = worker.step()
    assert list(result) == [NO_GPU]
    assert "CUDA" in result[NO_GPU]
    assert "\n" not in result[NO_GPU]
    assert not list(tmp_path.iterdir())
    worker.reset_config(config(tmp_path, trials))
    found = reported(worker, 1)
    assert {metrics["on_gpu"] for history in found.values() for metrics in history} == {0}


def test_lanes_report_what_their_trials_report_alone(tmp_path: Path) -> None:
    trials = [trial(1.0), trial(5.0), trial(1.0, seed=1)]
    found = reported(process(tmp_path, *trials), EPOCHS)
    for one in trials:
        assert same(found[one.key], alone(one, tmp_path), tolerance=0.02)
        assert load_model(tmp_path / "models" / f"{one.key}.pt").trial == one


def test_a_new_process_reports_again_what_the_last_one_did_and_trains_on(tmp_path: Path) -> None:
    trials = [trial(1.0), trial(5.0)]
    first = reported(process(tmp_path, *trials), 2)
    second = reported(process(tmp_path, *trials), EPOCHS)
    for one in trials:
        assert second[one.key][:2] == first[one.key], "also the times: they are not trained again"
        assert second[one.key][2]["epoch"] == EPOCHS


@pytest.mark.parametrize("damage", ["emptied", "halved", "a bit flipped", "another trial's", "a bare value"])
def test_a_damaged_checkpoint_costs_its_epochs_and_not_its_trial(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    one, other = trial(0.1), trial(1.0)
    reported(process(tmp_path, one), 2)
    path = checkpoint_path(tmp_path, one.key)
    content = path.read_bytes()
    if damage == "another trial's":
        reported(process(tmp_path, other), 1)
        checkpoint_path(tmp_path, other.key).replace(path)
    elif damage == "a bare value":
        torch.save({"key": one.key}, path)
    elif damage == "a bit flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "halved" else 0])
    found = reported(process(tmp_path, one), EPOCHS)[one.key]
    assert same(found, alone(one, tmp_path), 0)
    assert "the checkpoint is dropped" in caplog.text


def test_who_stays_goes_on_from_memory_beside_who_is_new(tmp_path: Path) -> None:
    leaves, stays, new = trial(1.0), trial(5.0), trial(9.0)
    worker = process(tmp_path, leaves, stays)
    before = reported(worker, 1)
    checkpoint_path(tmp_path, stays.key).unlink()
    assert worker.reset_config(config(tmp_path, [stays, new], recorded=[1, 0]))
    after = reported(worker, 2)
    assert [m["epoch"] for m in after[stays.key]] == [2, 3], "what it reported is not reported again"
    assert [m["epoch"] for m in after[new.key]] == [1, 2]
    assert same(before[stays.key] + after[stays.key], alone(stays, tmp_path), tolerance=0.02)


@pytest.mark.parametrize("beside", [[], [trial(5.0)]])
def test_a_trial_that_comes_back_for_a_new_record_reports_all_of_its_epochs(
    tmp_path: Path, beside: list[Trial]
) -> None:
    pruned = trial(1.0)
    worker = process(tmp_path, pruned, *beside)
    before = reported(worker, 2)
    checkpoint_path(tmp_path, pruned.key).unlink()
    worker.reset_config(config(tmp_path, [pruned]))
    after = reported(worker, EPOCHS)
    assert [m["epoch"] for m in after[pruned.key]] == [1, 2, 3]
    assert same(after[pruned.key][:2], before[pruned.key], tolerance=0.02 if beside else 0)


def test_lanes_of_different_ages_catch_up_before_they_train(tmp_path: Path) -> None:
    old, new = trial(1.0), trial(5.0)
    reported(process(tmp_path, old), 2)
    worker = process(tmp_path, old, new)
    steps = [[(key, m["epoch"]) for key, m, _ in worker.step()[METRICS]] for _ in range(3)]
    assert steps == [[(old.key, 1)], [(old.key, 2)], [(old.key, 3), (new.key, 1)]]


def test_a_lane_that_diverges_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    sound, broken = trial(1.0), trial(1.0, learning_rate=1e30)
    worker = process(tmp_path, sound, broken)
    result = worker.step()
    assert [key for key, *_ in result[METRICS]] == [sound.key]
    ((key, reason),) = result[DIVERGED]
    assert key == broken.key
    assert "loss became" in reason
    worker.reset_config(config(tmp_path, [sound], recorded=[1]))
    assert [m["epoch"] for _, m, _ in worker.step()[METRICS]] == [2]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("too big"), OUT_OF_MEMORY),
        (torch.AcceleratorError("CUDA error: out of memory"), OUT_OF_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), OUT_OF_MEMORY),
        (RuntimeError("the shape is out of memory of the user"), FAILURE),
        (OSError("no space left"), BROKEN),
        (ValueError("nonsense"), FAILURE),
    ],
)
def test_what_stops_a_stack_is_a_result_and_the_process_goes_on_from_the_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    trials = [trial(1.0), trial(5.0)]
    worker = process(tmp_path, *trials)
    before = reported(worker, 1)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("trainables.lanes.loop.Lanes.epoch", fail)
        result = worker.step()
    assert list(result) == [kind, TRACEBACK]
    assert str(error) in result[kind]
    line = fail.__code__.co_firstlineno + 1
    assert result[kind].endswith(f"(test_trainable.py:{line} in fail)") == (kind == FAILURE)
    assert result[TRACEBACK].startswith("Traceback (most recent call last):")
    assert f'"{__file__}", line {line}, in fail\n    raise error' in result[TRACEBACK]
    worker.reset_config(config(tmp_path, trials[:1]))
    after = reported(worker, EPOCHS)
    assert after[trials[0].key][:1] == before[trials[0].key]
    assert [m["epoch"] for m in after[trials[0].key]] == [1, 2, 3]


def test_a_worker_is_told_whether_to_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr("trainables.training.loop.compile_passes", compiled.append)
    worker = process(tmp_path, trial(1.0))
    worker.step()
    assert not compiled
    worker.reset_config(config(tmp_path, [trial(5.0)]) | {"compile": True})
    worker.step()
    assert len(compiled) == 1
