"""A plan says where a norm over the batch strikes a short last batch harder, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep
from search.engine.plan import plan_sweep
from search.engine.short_batches import remarks_on_short_batches
from search.records.store import Store
from tests.search.simulation import sweep

SET = "set training.last_batch to drop or merge, or norm to sample, where ε is that of one example"
LAST = "digits-lenet5: the last batch of {} is attacked {} times as hard per example as one of {}; " + SET
DIGITS = LAST.format("45 examples", "1.7", 128)
"""1,197 = 9 · 128 + 45, and √(128 / 45) = 1.69."""


def remarks(attack: dict[str, Any], workload: str = "digits-lenet5", **changes: Any) -> list[str]:
    stage = {"name": "only", "methods": {"standard": {}, "dropattack": attack}}
    definition = sweep(workloads=[workload], stages=[{**stage, **changes.pop("stage", {})}], **changes)
    return remarks_on_short_batches(definition, Path("/nowhere"))


@pytest.mark.parametrize(
    ("attack", "training", "expected"),
    [
        ({}, {}, DIGITS),
        ({"norm": "joint"}, {}, DIGITS),  # the input is the whole of its group
        ({"norm": "joint", "grouping": "joint"}, {}, DIGITS),
        (
            {"norm": "joint", "grouping": "joint", "targets": "input+fc1.w"},
            {},
            LAST.format("45 examples", "up to 2.8", 128),
        ),
        ({"norm": ["row", "tensor"], "control": ["eps-zero", "none"]}, {}, DIGITS),  # some do
        ({"targets": {"subsets_of": ["fc1.w", "input"], "up_to": 2}}, {}, DIGITS),
        ({"control": "p-one-norm"}, {}, DIGITS),
        ({}, {"batch_size": 133}, ""),  # 9 · 133
        ({}, {"batch_size": 92}, LAST.format("1 example", "9.6", 92)),
        ({}, {"batch_size": 119}, LAST.format("7 examples", "4.1", 119)),
        ({}, {"batch_size": 100}, ""),  # 97
        ({}, {"batch_size": 798}, ""),  # 399 is a half, and no less
        ({}, {"batch_size": 799}, LAST.format("398 examples", "1.4", 799)),
        ({}, {"batch_size": 2000}, ""),  # the only batch
        ({}, {"train_size": 129}, LAST.format("1 example", "11", 128)),
        ({}, {"train_size": 100}, ""),
        ({}, {"train_size": 256}, ""),
        ({}, {"last_batch": "drop"}, ""),
        ({}, {"last_batch": "merge"}, ""),
        ({"norm": "sample"}, {}, ""),
        ({"norm": "row"}, {}, ""),
        ({"targets": "fc1.w+fc2.w"}, {}, ""),
        ({"epsilon_scale": "relative"}, {}, ""),
        ({"control": ["eps-zero", "equal-passes"]}, {}, ""),
        ({"epsilon": 0}, {}, ""),
        ({"p": 0}, {}, ""),
        ({"targets": "input+fc1.w", "input_ratio": 0}, {}, ""),
    ],
)
def test_what_is_said(attack: dict[str, Any], training: dict[str, Any], expected: str) -> None:
    assert remarks(attack, training={"epochs": 1, **training}) == ([expected] if expected else [])


def test_every_size_that_a_stage_tries_is_looked_at_once() -> None:
    found = remarks(
        {"norm": ["tensor", "joint"]},
        training={"epochs": 1, "batch_size": [92, 128, 133], "last_batch": ["keep", "drop"]},
    )
    assert found == [LAST.format("1 example", "9.6", 92), DIGITS]


def test_a_search_that_samples_is_looked_at_too() -> None:
    attack = {"epsilon": {"low": 0.1, "high": 1}, "norm": ["sample", "tensor"]}
    assert remarks(attack, stage={"search": {"kind": "random", "trials": 2}}) == [DIGITS]


@pytest.mark.parametrize(("text_input", "said"), [("matrix", False), ("tokens", True)])
def test_of_texts_the_vectors_of_tokens_are_meant(text_input: str, said: bool) -> None:
    """No data are there: with the matrix nothing is loaded, and train_size tells the size anyway."""
    training = {"epochs": 1, "train_size": 300, "batch_size": 128}
    found = remarks({"text_input": text_input}, "imdb-lstm", training=training)
    assert (
        found == ["imdb-lstm" + LAST.format("44 examples", "1.7", 128).removeprefix("digits-lenet5")] * said
    )


def test_other_models_have_their_own_targets() -> None:
    attack = {"targets": ["lstm2.ih.w"], "text_input": "tokens"}
    assert remarks(attack, "imdb-lstm", model={"layers": 2}) == []


def test_the_plan_says_it(tmp_path: Path) -> None:
    planned = plan_sweep(load_sweep("digits-layers"), Store(tmp_path), tmp_path)
    assert planned.remarks == [DIGITS]
    quiet = plan_sweep(
        load_sweep("digits-layers", {"training.last_batch": "drop"}), Store(tmp_path), tmp_path
    )
    assert quiet.remarks == []


@pytest.mark.parametrize("name", bundled_sweeps())
def test_no_bundled_sweep_is_at_a_loss(name: str) -> None:
    """With a training size, so that no data are needed."""
    definition = load_sweep(name, {"training.train_size": 300, "training.batch_size": 128})
    found = remarks_on_short_batches(definition, Path("/nowhere"))
    assert all("the last batch of 44 examples" in remark for remark in found)
