"""Methods that break the contract, each in its own way, fail the test that is about it and say why."""

import pytest

import dropattack
from dropattack import registry
from dropattack.testing import MethodContract
from dropattack.testing.methods.cases import Case
from dropattack.testing.methods.models import Images, Normalised, Texts, Tied
from tests.dropattack.testing import faulty_methods as faulty

BROKEN = [
    (
        faulty.ForgetsToRestore,
        "parameters_are_restored",
        Images,
        r"parameters differ: conv.bias, conv.weight, fc",
    ),
    (faulty.RestoresByRounding, "parameters_are_restored", Images, "bit for bit"),
    (faulty.RestoresWhenAllGoesWell, "the_model_is_as_it_was_when_a_step_breaks", Images, "in a `finally`"),
    (faulty.LeavesAHook, "parameters_are_restored", Images, "leaves hooks, modes or flags"),
    (faulty.LeavesEvalMode, "parameters_are_restored", Normalised, "leaves hooks, modes or flags"),
    (faulty.ReplacesParameters, "parameters_are_restored", Tied, "leaves hooks, modes or flags"),
    (
        faulty.LeavesHooksWhenItBreaks,
        "the_model_is_as_it_was_when_a_step_breaks",
        Texts,
        "that breaks leaves hooks",
    ),
    (faulty.OwnsAndUpdatesTwice, "the_optimizer_leaves_alone", Images, "updates fc.bias too"),
    (faulty.OwnsAndForgets, "parameters_are_restored", Images, "owns fc.bias and does not train"),
    (faulty.ReachesFrozen, "frozen_parameters", Images, "a frozen parameter gets a gradient"),
    (faulty.CountsEveryPass, "batch_statistics", Normalised, "BatchNorm counts attacked passes too"),
    (faulty.DrawsFromTorch, "a_seed_decides", Texts, "draw from `self.task.generator`"),
    (faulty.DrawsFromTorch, "other_generators", Texts, "draws from the generator of torch"),
    (faulty.DrawsFromPython, "a_seed_decides", Images, "draw from `self.task.generator`"),
    (faulty.DrawsFromPython, "other_generators", Images, "draws from the generator of random"),
    (faulty.ForgetsItsState, "state_round_trips", Images, "resumed from its `state_dict`"),
    (faulty.KeepsStateInSecret, "state_round_trips", Images, "say in `state` what it keeps"),
    (faulty.LendsItsState, "a_state_does_not_change", Images, "must hold copies"),
    (faulty.TransposesGradients, "gradients_lie_in_memory", Images, "fc.weight"),
    (faulty.TransposesGradients, "the_fused_optimizer", Images, "fc.weight"),
    (faulty.KeepsOldGradients, "gradients_of_before", Images, "must clear the gradients first"),
    (faulty.UpdatesUnchecked, "gradients_that_are_not_finite", Images, "update by `Method.update`"),
    (faulty.UpdatesUnchecked, "clipping", Images, "is not clipped"),
    (faulty.DividesByZero, "zero_gradients", Images, "zero gradients become"),
    (faulty.IgnoresTheTask, "mixed_precision", Images, "run it by `Method.forward`"),
    (faulty.KeepsTheGraph, "a_step_returns", Images, "must be detached"),
    (faulty.ReturnsTheLastPass, "a_step_returns", Images, "not that of the first pass"),
    (faulty.CallsItselfStandard, "canonical_settings", Images, "computes the same as standard"),
    (faulty.LogsNumbers, "a_step_returns", Images, "must be a tensor"),
    (faulty.DifferentiatesInSecret, "passes_are_as_many", Images, "declare `second_order`"),
    (faulty.TwoPassesAsOne, "passes_are_as_many", Images, "propagates back 8 of them"),
    (faulty.StepsAnyway, "a_bad_batch", Normalised, "update by `Method.update`"),
    (faulty.AddsAPass, "without_attack", Images, "fc.weight|conv.weight"),
]


@pytest.fixture
def example(monkeypatch):
    """Registers a method under the name of the example for the time of a test."""

    def register(method):
        known = {**dropattack.registered(), "example": method}
        monkeypatch.setattr(registry, "_METHODS", known)
        return type("Example", (MethodContract,), {"method": "example", "idle": {}})()

    return register


def run(contract, about, kind):
    """Runs the contract's tests whose name begins so on one kind of model; there must be some."""
    tests = [name for name in dir(contract) if name.startswith(f"test_{about}")]
    assert tests
    for name in tests:
        options = {"factor": float("nan")} if "not_finite" in name or "bad_batch" in name else {}
        getattr(contract, name)(Case("example", {}, kind), **options)


@pytest.mark.parametrize(
    ("method", "about", "kind", "message"), BROKEN, ids=lambda part: getattr(part, "__name__", None)
)
def test_what_breaks_the_contract_fails_and_says_why(example, method, about, kind, message):
    with pytest.raises(AssertionError, match=message):
        run(example(method), about, kind)
    run(example(faulty.Honest), about, kind)


@pytest.mark.parametrize(
    ("method", "about"),
    [
        (faulty.Hasty, "declarations_are_complete"),
        (faulty.Silent, "declarations_are_complete"),
        (faulty.Unchecked, "values_out_of_range"),
    ],
)
def test_declarations_that_are_not_so_fail(example, method, about):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(example(method), next(n for n in dir(MethodContract) if n.startswith(f"test_{about}")))()


def test_an_empty_batch_that_is_taken_fails(example):
    with pytest.raises(pytest.fail.Exception):
        run(example(faulty.TakesWhatIsEmpty), "an_empty_batch", Images)
    run(example(faulty.Honest), "an_empty_batch", Images)


def test_a_method_that_no_file_defines_is_refused(example):
    with pytest.raises(dropattack.UsageError, match="Local"):
        example(faulty.made_in_a_function()).test_its_source_decides_what_it_computes()
    example(faulty.Honest).test_its_source_decides_what_it_computes()


def test_a_method_for_images_alone_leaves_the_other_models_out():
    class Alone(MethodContract):
        method = "sam"
        models = (Images, Normalised)
        hyperparameters = ({}, {"rho": 0.5})

    class Metafunc:
        fixturenames = ("case",)
        cases: list[str]

        def __init__(self, function):
            self.function = function

        def parametrize(self, name, cases, ids):
            assert name == "case"
            self.cases = [ids(case) for case in cases]

    every, texts = Metafunc(Alone.test_mixed_precision), Metafunc(Alone.test_sparse_gradients)
    for metafunc in (every, texts):
        Alone().pytest_generate_tests(metafunc)
    assert every.cases == ["Images-defaults", "Images-rho=0.5", "Normalised-defaults", "Normalised-rho=0.5"]
    assert texts.cases == []
