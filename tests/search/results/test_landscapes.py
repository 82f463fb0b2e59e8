"""Landscapes of recorded models: methods by name, part of the test split, going on where one stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import Result

from analysis.questions import landscape as question
from analysis.questions import sharpness
from analysis.sections import landscape as part
from dropattack import UsageError
from search.engine.engine import Engine
from search.records.notes import LANDSCAPES
from search.records.record import Record, State
from search.records.store import Store
from search.results import landscapes
from search.results.best import best_by_workload
from search.results.landscapes import Landscape, landscape_sections
from tests.search import trained
from trainables.data.splits import Split
from trainables.recipe.splitting import split_for
from trainables.workload import Workload
from trainables.workloads import workload_named

METHODS = {"standard": {}, "fgsm": {"epsilon": 0.1}, "dropattack": {}}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Engine]:
    """A sweep of three methods, and a fourth one that has no trial yet."""
    store = Store(tmp_path_factory.mktemp("store"))
    grid = {"name": "grid", "methods": METHODS}
    later = {"name": "later", "methods": {"pgd": {}}}
    engine = trained.run(trained.sweep(seeds=[0], stages=[grid]), store)
    store.define(trained.sweep(seeds=[0], stages=[grid, later]))
    return store, engine


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many examples each point was evaluated on; sharpness is none of it."""
    seen: list[int] = []
    mean_loss = question.mean_loss

    def counted(model: Any, split: Split) -> tuple[float, float]:
        seen.append(len(split))
        return mean_loss(model, split)

    monkeypatch.setattr(question, "mean_loss", counted)
    monkeypatch.setattr(sharpness, "sharpness", lambda *_: pd.DataFrame())
    return seen


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[pd.DataFrame, ...]]:
    found: list[tuple[pd.DataFrame, ...]] = []
    monkeypatch.setattr(part, "section", lambda *given: found.append(given))
    return found


def draw(ran: tuple[Store, Engine], *methods: str, **wanted: Any) -> None:
    store, engine = ran
    sweep = store.recorded("attacked")
    landscape_sections(sweep, store, engine.records, Landscape(trained.UNUSED, methods, **wanted))


def forget(store: Store) -> None:
    (store.folder("attacked") / LANDSCAPES.file).unlink(missing_ok=True)


def test_a_landscape_that_was_stopped_goes_on(
    ran: tuple[Store, Engine],
    evaluated: list[int],
    shown: list[tuple[pd.DataFrame, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after 13 of 50 points, it computes the other 37, and gives what an unbroken one gives."""
    store, _ = ran
    forget(store)
    draw(ran, points=5)
    assert len(evaluated) == 2 * 25, "the line is the middle of the surface"
    forget(store)
    evaluated.clear()
    monkeypatch.setattr(landscapes, "_KEEP_SECONDS", 0.0)
    progress = landscapes._Said.progress

    def killed(self: Any, done: int, total: int) -> None:
        progress(self, done, total)
        if done == 13:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(landscapes._Said, "progress", killed)
        with pytest.raises(KeyboardInterrupt):
            draw(ran, points=5)
    draw(ran, points=5)
    assert len(evaluated) == 2 * 25
    for whole, resumed in zip(shown[0][:2], shown[1][:2], strict=True):
        pd.testing.assert_frame_equal(whole, resumed)


def test_points_of_other_examples_or_models_are_others(
    ran: tuple[Store, Engine], evaluated: list[int], shown: list[tuple[pd.DataFrame, ...]]
) -> None:
    forget(ran[0])
    draw(ran, "standard", points=3, examples=40)
    assert evaluated == [40] * 9
    draw(ran, "standard", "fgsm", points=3, examples=40)
    assert len(evaluated) == 18, "those of the first are known"
    draw(ran, "standard", points=3, examples=0)
    assert len(evaluated) == 27
    assert evaluated[-1] > 250
    draw(ran, "standard", points=5, examples=40)
    assert len(evaluated) == 27 + 25 - 9, "a finer grid has every point of the coarse one"


def test_each_model_is_evaluated_on_its_own_test_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[tuple[pd.DataFrame, ...]]
) -> None:
    """Where the split is redrawn by seed, one model's test examples are another's training examples."""
    grid = {"name": "grid", "methods": {"standard": {}, "fgsm": {"epsilon": 0.1}}}
    store = Store(tmp_path)
    redrawn = trained.sweep(training={"epochs": 1, "train_size": 64, "split": "redrawn"}, stages=[grid])
    engine = trained.run(redrawn, store)
    chosen = [r for r in engine.records if (r.trial.method == "standard") == (r.trial.seed == 0)]
    seen: dict[str, Split] = {}

    def surface(models: dict[str, Any], split: Split, **_: Any) -> pd.DataFrame:
        seen.update(dict.fromkeys(models, split))
        return pd.DataFrame({"label": list(models)})

    monkeypatch.setattr(question, "surface", surface)
    monkeypatch.setattr(question, "line", surface)
    monkeypatch.setattr(sharpness, "sharpness", lambda *_: pd.DataFrame())
    landscape_sections(redrawn, store, chosen, Landscape(trained.UNUSED, examples=0))
    data = workload_named("digits-lenet5").load(trained.UNUSED)
    assert {record.trial.seed for record in chosen} == {0, 1}
    assert list(shown[0][1]["label"]) == [r.name for r in sorted(chosen, key=lambda r: r.trial.seed)]
    for record in chosen:
        own = split_for("redrawn", record.trial.seed, record.trial.seed_for("split"), data).test
        assert torch.equal(seen[record.name].labels, own.labels)


def test_where_the_best_seed_lost_its_model_file_another_seed_is_drawn_and_named(
    tmp_path: Path,
    evaluated: list[int],
    shown: list[tuple[pd.DataFrame, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Store(tmp_path)
    sweep = trained.sweep(seeds=[0, 1], stages=[{"name": "grid", "methods": {"standard": {}}}])
    records = trained.run(sweep, store).records
    best = best_by_workload(sweep, records)["digits-lenet5"].record
    (other,) = (record for record in records if record.key != best.key)
    store.model(sweep.name, best).unlink()
    landscape_sections(sweep, store, records, Landscape(trained.UNUSED, points=2, examples=20))
    assert set(shown[-1][0]["label"]) == {other.name}
    told = f"the model file of {best.name}, the best seed, is lost; {other.name} is drawn"
    assert told in capsys.readouterr().err
    store.model(sweep.name, other).unlink()
    with pytest.raises(UsageError, match=best.key):
        landscape_sections(sweep, store, records, Landscape(trained.UNUSED, points=2, examples=20))


def test_data_that_changed_since_the_training_are_refused(
    ran: tuple[Store, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workload, "checksum", lambda *_: "another")
    with pytest.raises(
        UsageError, match="the data of digits-lenet5 in unused are not those of its models' training"
    ):
        draw(ran, points=2)


def test_methods_are_compared_in_the_order_in_which_they_are_named(
    ran: tuple[Store, Engine], evaluated: list[int], shown: list[tuple[pd.DataFrame, ...]]
) -> None:
    draw(ran, "fgsm", "dropattack", "fgsm", points=2, examples=20)
    labels = list(dict.fromkeys(shown[-1][0]["label"]))
    assert [label.split()[0] for label in labels] == ["fgsm", "dropattack"]
    draw(ran, points=2, examples=20)
    assert next(iter(shown[-1][0]["label"])).startswith("standard")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fgm"], "unknown method of attacked 'fgm'; did you mean 'fgsm'"),
        (["nothing"], "unknown method of attacked 'nothing'"),
        (
            ["pgd"],
            "attacked has no complete trial of pgd, and so no model; those with models: standard, fgsm,",
        ),
        (["standard", "--points", "0"], "--points 0 is too few"),
        (["--points", "1"], "--points 1 is too few"),
        (["--examples", "-1"], "--examples -1 is no number of examples"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    ran: tuple[Store, Engine], command: Callable[..., Result], words: list[str], said: str
) -> None:
    done = command("report", "attacked", "--landscape", *words, "--store", str(ran[0].root))
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--points", "--examples"])
def test_options_of_a_landscape_need_one(
    ran: tuple[Store, Engine], command: Callable[..., Result], option: str
) -> None:
    done = command("report", "attacked", option, "25", "--store", str(ran[0].root))
    assert (done.exit_code, done.stderr) == (
        2,
        f"dropattack: {option} is for --landscape; add that, or leave {option} out\n",
    )


def test_a_workload_without_models_is_left_out(ran: tuple[Store, Engine]) -> None:
    store, engine = ran
    record = engine.records[0]
    young = Record(0, "grid", record.trial, record.identity, state=State.RUNNING)
    with pytest.raises(UsageError, match="no complete trial, and so no landscape to draw"):
        landscape_sections(store.recorded("attacked"), store, [young], Landscape(trained.UNUSED))
