"""Trials: equal trainings have equal keys, and options reach dataset and model."""

import json

import pytest

from dropattack import Settings, UsageError
from trainables.trial import TRAINING_VERSION, Trial
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
        ("dropattack", {"control": "p-one-norm"}, "p-one-norm"),
        ("dropattack", {"control": "p-one-norm", "p": 0}, "p-zero"),
        ("dropattack", {"epsilon": 0}, "eps-zero"),
        ("dropattack", {"p": 0}, "p-zero"),
        ("dropattack", {"p": 0, "control": "random-direction"}, "p-zero"),
        ("dropattack", {"targets": "input", "input_ratio": 0}, "eps-zero"),
        ("dropattack", {"targets": "input+conv1.w", "input_ratio": 0}, ""),
        ("fgsm", {"epsilon": 0}, "eps-zero"),
        ("awp", {"epsilon": 0}, ""),
        ("awp", {"epsilon": 0, "gamma": 0}, "eps-zero"),
        ("awp", {"k": 0, "gamma": 0}, "eps-zero"),
        ("dropen", {"epsilon": 0}, ""),
        ("asam", {"rho": 0}, "eps-zero"),
        ("standard", {"rounds": 1}, ""),
        ("standard", {"rounds": 2}, "equal-passes"),
    ],
)
def test_controls_are_known_by_their_settings(method: str, settings: dict, control: str) -> None:
    trial = Trial.make("mnist-lenet5", method, settings, TrainingSettings(), 0, "checksum")
    assert trial.identity.control == control


KEYS = {
    "standard": "b8eacfc15c66f76b",
    "dropattack": "718fd5b1de986471",
    "sam": "9e834a3cab592cb1",
    "imdb": "e200a1ec52a571ff",
}
"""What trials are called: a change of any of these trains everything of every store again."""


def named(method: str) -> Trial:
    if method == "imdb":
        recipe = TrainingSettings(epochs=3, train_size=500, balanced=True)
        settings = {"targets": "Embedding+lstm.ih.w", "epsilon": 5, "p": 0.7, "k": 3}
        options = {"model": {"hidden": 100}, "data": {"fix_length": 100}}
        return Trial.make("imdb-lstm", "dropattack", settings, recipe, 4, "checksum", **options)
    settings = {"targets": "input+conv1.w", "epsilon": 0.1} if method == "dropattack" else {}
    return Trial.make("mnist-lenet5", method, settings, TrainingSettings(), 0, "checksum")


@pytest.mark.parametrize("method", KEYS)
def test_keys_stay_what_they_are(method: str) -> None:
    assert named(method).key == KEYS[method]


def test_a_key_holds_what_differs_from_frozen_defaults_alone() -> None:
    assert named("sam").computed == {
        "workload": "mnist-lenet5",
        "method": "sam",
        "hyperparameters": {},
        "training": {},
        "data": {},
        "model": {},
        "seed": 0,
        "checksum": "checksum",
        "version": TRAINING_VERSION,
        "code": {},
    }


@pytest.mark.parametrize(
    ("idle", "used"),
    [
        ({"examples_epsilon": 0.1}, {"examples_epsilon": 0.1, "examples": "both"}),
        ({"balanced": True}, {"balanced": True, "train_size": 100}),
    ],
)
def test_idle_training_settings_do_not_count(idle: dict, used: dict) -> None:
    def key(**training: object) -> str:
        return Trial.make("mnist-lenet5", "fgm", {}, TrainingSettings(**training), 0, "checksum").key

    used_otherwise = {name: value for name, value in used.items() if name not in idle}
    assert key(**idle) == key()
    assert key(**used) != key(**used_otherwise)


def test_what_is_measured_is_part_of_the_key_and_not_of_the_configuration() -> None:
    recipes = [TrainingSettings(), TrainingSettings(robustness="fgsm:0.1")]
    plain, measured = (Trial.make("mnist-lenet5", "sam", {}, r, 0, "checksum").identity for r in recipes)
    assert plain.key != measured.key
    assert plain.configuration == measured.configuration
    assert Trial.make("mnist-lenet5", "sam", {}, recipes[0], 1, "checksum").identity.configuration == (
        plain.configuration
    )


def test_images_have_no_text_to_attack_in_two_ways() -> None:
    assert make({"text_input": "tokens"}).key == make().key
    words = [
        Trial.make("imdb-lstm", "dropattack", {"text_input": each}, TrainingSettings(), 0, "checksum").key
        for each in ("matrix", "tokens")
    ]
    assert words[0] != words[1]


def test_a_trial_resolves_its_settings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[type] = []
    check = Settings.__post_init__

    def counted(self: Settings) -> None:
        resolved.append(type(self))
        check(self)

    monkeypatch.setattr(Settings, "__post_init__", counted)
    trial = make({"targets": "conv1.w"})
    made = len(resolved)
    _ = trial.settings, trial.training_settings, trial.architecture, trial.data_settings, trial.passes
    assert len(resolved) == made <= 6
    _ = trial.key, trial.identity, trial.spelling
    named = len(resolved)
    _ = trial.key, trial.identity, trial.spelling
    assert len(resolved) == named <= 12


def test_a_trial_from_before_a_setting_existed_is_spelt_as_today() -> None:
    today = make({"targets": "conv1.w"})
    plain = today.to_dict()
    for section, name in (
        ("training", "last_batch"),
        ("hyperparameters", "batch_norm"),
        ("model", "dropout"),
    ):
        del plain[section][name]
    del plain["code"]
    before = Trial.from_dict(plain)
    assert (before.key, before.spelling) == (today.key, today.spelling)


def test_a_spelling_tells_names_apart_that_a_key_does_not() -> None:
    same = [make({"p": 0}), make({"p": 0, "epsilon": 1}), make({"control": "p-one", "p": 0})]
    same.append(make({"control": "p-one-norm", "p": 0, "rescale": True}))
    assert len({trial.key for trial in same}) == 1
    assert len({trial.spelling for trial in same}) == 4
