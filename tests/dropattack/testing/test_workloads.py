"""Workloads that break the contract, each in its own way, fail the test that is about it and say why."""

import inspect
from pathlib import Path

import pytest

from dropattack import UsageError
from dropattack.testing import WorkloadContract
from dropattack.testing.workloads.cases import few_of
from tests.dropattack.testing.faulty_data import write_files

BROKEN = {
    "faulty_data:overlapping": (
        "splits_are_apart",
        "100.00% of the test examples are also in train or valid",
    ),
    "faulty_data:beyond": ("labels_are_what", "labels of the train split must be 0 to 1"),
    "faulty_data:out_of_bounds": ("continuous_inputs", "outside `Data.bounds`"),
    "faulty_data:hurried": ("batches_hold_every_example_once", "`order` leaves out or repeats examples"),
    "faulty_data:ordered": (
        "batches_hold_every_example_once",
        "`batches` differs from `take` of the same `order`",
    ),
    "faulty_data:shifted": ("parts_of_splits", "`subset` takes other examples"),
    "faulty_models:misnamed": ("every_choice_of_the_model", "bias: False: targets stand for {'1.bias'}"),
    "faulty_models:narrow": ("every_choice_of_the_model", "kind: narrow"),
    "faulty_models:joined": ("targets_have_one_spelling", "'fc[+]w' is no name for one target"),
    "faulty_models:together": ("an_examples_logits", "an example alone and in a batch has different logits"),
    "faulty_models:drawn": ("training_is_decided_by_the_seed", "one seed gives two results"),
    "faulty_models:forgetful": ("training_resumes", "keep what the model changes in buffers"),
    "faulty_models:looking": ("a_saved_model_predicts_the_same", "loaded again, the model has another loss"),
    "faulty_data:hashed": ("the_checksum_follows", "another process computes another checksum"),
    "faulty_data:labels_forgotten": (
        "the_checksum_follows",
        "a change of labels gives other data of the same checksum",
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    write_files(root)
    return root


def run(name: str, about: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the contract's test whose name begins so."""
    contract = type(name, (WorkloadContract,), {"workload": f"tests.dropattack.testing.{name}"})()
    (test,) = (getattr(contract, n) for n in dir(contract) if n.startswith(f"test_{about}"))
    whole = contract.found.load(root, {})
    given = {"root": root, "whole": whole, "few": few_of(whole), "name": "train"}
    given |= {"tmp_path": tmp_path, "monkeypatch": monkeypatch}
    test(**{name: given[name] for name in inspect.signature(test).parameters})


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_contract_fails_and_says_why(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        run(name, about, root, tmp_path, monkeypatch)


def test_a_target_that_takes_no_part_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="idle"):
        run("faulty_models:idle", "every_target_can_be_attacked", root, tmp_path, monkeypatch)


class TestHonest(WorkloadContract):
    workload = "tests.dropattack.testing.faulty_data:from_files"

    @pytest.fixture
    def root(self, root: Path) -> Path:
        return root
