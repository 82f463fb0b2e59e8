"""Trials: equal trainings have equal keys, and options reach dataset and model."""

import json

import pytest

from dropattack import UsageError
from trainables.trial import Trial
from trainables.workloads import TrainingSettings


def make(hyperparameters: dict | None = None, **options: dict) -> Trial:
    return Trial.make(
        "mnist-lenet5", "dropattack", hyperparameters or {}, TrainingSettings(), 0, "checksum", **options
    )


def test_defaults_and_the_papers_spellings_do_not_change_the_key() -> None:
    plain = make({"targets": "input+conv1.w"})
    assert make({"targets": "Conv.1.w+Input", "k": 1, "epsilon": 5}).key == plain.key
    assert make({"targets": "input+conv1.w"}, model={"hidden1": 120}, data={}).key == plain.key


@pytest.mark.parametrize("change", [{"model": {"hidden1": 60}}, {"hyperparameters": {"p": 0.25}}])
def test_what_changes_the_result_changes_the_key(change: dict) -> None:
    assert make(**change).key != make().key


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": {"hiden1": 3}}, "unknown model setting of mnist-lenet5 'hiden1'; did you mean 'hidden1'"),
        ({"data": {"fix_length": 3}}, "unknown data setting of mnist-lenet5 'fix_length'"),
        ({"model": {"hidden1": 0}}, "hidden1 must be ≥ 1, not 0"),
    ],
)
def test_options_that_do_not_exist_or_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**options)


def test_targets_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown target of mnist-lenet5 'conv9\.w'; did you mean"):
        make({"targets": "conv9.w"})


def test_a_trial_survives_json() -> None:
    trial = make({"targets": "Input"}, model={"dropout": 0.5})
    assert Trial.from_dict(json.loads(json.dumps(trial.to_dict()))) == trial
    assert trial.model["dropout"] == 0.5


@pytest.mark.parametrize(
    ("method", "settings", "control"),
    [
        ("dropattack", {}, ""),
        ("dropattack", {"control": "p-one"}, "p-one"),
        ("dropattack", {"epsilon": 0}, "eps-zero"),
        ("dropattack", {"p": 0}, "p-zero"),
        ("dropattack", {"p": 0, "control": "random-direction"}, "p-zero"),
        ("dropattack", {"targets": "input", "input_ratio": 0}, "eps-zero"),
        ("dropattack", {"targets": "input+conv1.w", "input_ratio": 0}, ""),
        ("fgsm", {"epsilon": 0}, "eps-zero"),
        ("standard", {"rounds": 1}, ""),
        ("standard", {"rounds": 2}, "equal-passes"),
    ],
)
def test_controls_are_known_by_their_settings(method: str, settings: dict, control: str) -> None:
    trial = Trial.make("mnist-lenet5", method, settings, TrainingSettings(), 0, "checksum")
    assert trial.identity.control == control
