"""The gradient that a step hands to the optimizer: where it lies, how large it may be, what it may hold."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import dropattack
from dropattack import UsageError
from dropattack.testing.methods.cases import Case, MethodCases, about, moved
from dropattack.testing.methods.models import Model, Normalised, Recurrent, parameters_of, standing


def assert_near(models: Sequence[Model]) -> None:
    """Two models have the same parameters but for rounding: a relative L2 error of at most 1e-9."""
    one, other = models
    for name, parameter in one.named_parameters():
        error = (parameter - other.get_parameter(name)).norm()
        assert error <= 1e-9 * parameter.norm().clamp(min=1e-12), name


class Gradients(MethodCases):
    """See the module."""

    def test_gradients_lie_in_memory_as_their_parameters_do(self, case: Case) -> None:
        model = case.model()
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        case.on(model).step(model, model.batch(), standing(model))
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            assert _places(parameter.grad) == _places(parameter), name
            assert parameter.grad.dtype == parameter.dtype, name

    def test_the_fused_optimizer_takes_the_same_step(self, case: Case) -> None:
        """It reads gradients by their place in memory, so each must be laid out as its parameter is.

        With a large eps: the gradient of a bias before a normalisation is nothing but rounding, which no two
        passes on a GPU share and which Adam would otherwise divide by itself.
        """
        models = []
        for fused in (False, True):
            models.append(case.model())
            optimizer = torch.optim.Adam(models[-1].parameters(), lr=0.01, eps=1e-3, fused=fused)
            case.on(models[-1]).step(models[-1], models[-1].batch(), optimizer)
        assert_near(models)

    def test_gradients_of_before_are_cleared(self, case: Case) -> None:
        models = [case.model(), case.model()]
        for parameter in models[1].parameters():
            parameter.grad = torch.full_like(parameter, 7)
        batch = models[0].batch()
        for model in models:
            case.on(model).step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1))
        assert not moved(parameters_of(models[0]), models[1]), "a step must clear the gradients first"

    def test_another_loop_gets_the_gradient_of_a_step(self, case: Case) -> None:
        """By `accumulate`; a method that makes updates of its own refuses."""
        models = [case.model(), case.model()]
        batch = models[0].batch()
        stepping, handing = (case.on(model) for model in models)
        start = parameters_of(models[1])
        if not handing.hands_over(handing.settings):
            with pytest.raises(UsageError, match="makes its own updates"):
                handing.accumulate(models[1], batch)
            return
        stepping.step(models[0], batch, standing(models[0]))
        handing.accumulate(models[1], batch)
        left = moved(start, models[1])
        assert not left, f"`gather` must move no parameter, and moves {', '.join(left)}"
        for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
            assert one.grad is not None
            assert other.grad is not None
            assert torch.equal(one.grad, other.grad), "`accumulate` must hand over what a step updates by"

    @pytest.mark.parametrize("factor", [float("nan"), float("inf")])
    def test_gradients_that_are_not_finite_never_reach_the_parameters(
        self, case: Case, factor: float
    ) -> None:
        model = case.model()
        start = parameters_of(model)
        method = case.on(model, loss=lambda outputs, _: (outputs * factor).sum())
        result = method.step(model, model.batch(), torch.optim.SGD(model.parameters(), lr=0.1))
        left = moved(start, model)
        assert not left, f"a gradient of {factor} reached {', '.join(left)}; update by `Method.update`"
        assert result.log["skipped_updates"] == 1
        if not method.settings.needs_distribution:  # their attacks ascend no loss
            assert result.log.get("skipped", torch.tensor(1.0)) > 0.5

    @pytest.mark.parametrize("factor", [float("nan"), float("inf")])
    def test_a_bad_batch_leaves_everything_as_it_was(self, case: Case, factor: float) -> None:
        """Parameters, running statistics, and the optimizer's momentum, decay and count of steps."""
        model = case.model()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
        case.on(model).step(model, model.batch(), optimizer)
        before = [leaf.clone() for leaf in _leaves(model, optimizer)]
        broken = case.on(model, loss=lambda outputs, _: (outputs * factor).sum())
        broken.step(model, model.batch(), optimizer)
        same = map(torch.equal, before, _leaves(model, optimizer))
        assert all(same), f"a gradient of {factor} moves something; update by `Method.update`"

    def test_an_empty_batch_is_refused(self, case: Case) -> None:
        model = case.model()
        inputs, labels = model.batch()
        none = inputs[:0] if isinstance(inputs, Tensor) else tuple(part[:0] for part in inputs)
        with pytest.raises(UsageError, match="the batch is empty"):
            case.on(model).step(model, (none, labels[:0]), standing(model))

    def test_an_autocast_context_counts_as_the_tasks(self, case: Case) -> None:
        models = [case.model().float(), case.model().float()]
        inputs, labels = models[0].batch()
        inputs = inputs.float() if isinstance(inputs, Tensor) else inputs
        case.on(models[0], autocast=torch.bfloat16).step(models[0], (inputs, labels), standing(models[0]))
        with torch.autocast(labels.device.type, torch.bfloat16):
            case.on(models[1]).step(models[1], (inputs, labels), standing(models[1]))
        for name, parameter in models[0].named_parameters():
            other = models[1].get_parameter(name)
            assert parameter.grad is not None
            assert other.grad is not None
            assert torch.equal(parameter.grad, other.grad), (
                f"autocast around a step changes {name}'s gradient"
            )

    def test_without_attack_it_takes_the_optimizers_trajectory(self, case: Case) -> None:
        """At `multiple` times the loss; dropout inside the model draws the same in all passes of a step."""
        if self.idle is None or case.values != self.hyperparameters[0]:
            pytest.skip("no values without attack are declared" if self.idle is None else "tried once")
        values = dict(self.idle)
        if "dropout" in dropattack.method_named(self.method).settings_type.ranges():
            values["dropout"] = "same"
        cases = (replace(case, values=values), replace(case, method="standard", values={}))
        models = []
        for given, factor in zip(cases, (1.0, self.multiple), strict=True):
            model = case.model()
            batches = [model.batch() for _ in range(4)]
            method = given.on(model, loss=_scaled_cross_entropy(factor))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
            for batch in batches:
                method.step(model, batch, optimizer)
            models.append(model)
        assert_near(models)

    def test_zero_gradients_do_no_harm(self, case: Case) -> None:
        model = case.model()
        method = case.on(model, loss=lambda outputs, _: (outputs * 0).sum())
        result = method.step(model, model.batch(), torch.optim.SGD(model.parameters(), lr=0.1))
        assert all(torch.isfinite(p).all() for p in model.parameters())
        assert result.log["skipped_updates"] == 0, "zero gradients become some that are not finite"

    def test_clipping_bounds_the_whole_gradient(self, case: Case) -> None:
        model = case.model()
        case.on(model, clip_norm=1e-3).step(model, model.batch(), standing(model))
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        assert torch.cat(gradients).norm().item() == pytest.approx(1e-3, rel=1e-2), (
            "the gradient is not clipped to `task.clip_norm`; update by `Method.update`"
        )

    @about(Recurrent)
    def test_sparse_gradients(self, case: Case) -> None:
        models = [case.model(), case.model(sparse=True)]
        models[1].load_state_dict(models[0].state_dict())
        batch = models[0].batch()
        for model in models:
            case.on(model, clip_norm=0.5).step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1))
        assert_near(models)

    @about(Normalised)
    def test_inputs_that_are_not_contiguous(self, case: Case) -> None:
        models = [case.model(), case.model()]
        images, labels = models[0].batch()
        assert isinstance(images, Tensor)
        strided = torch.stack([images, images], dim=-1)[..., 0]
        assert not strided.is_contiguous()
        for model, inputs in zip(models, (images, strided), strict=True):
            case.on(model).step(model, (inputs, labels), torch.optim.SGD(model.parameters(), lr=0.1))
        assert_near(models)

    def test_mixed_precision(self, case: Case) -> None:
        model = case.model().float()
        inputs, labels = model.batch()
        inputs = inputs.float() if isinstance(inputs, Tensor) else inputs
        method = case.on(model, autocast=torch.bfloat16, clip_norm=1.0)
        seen = []
        model.fc.register_forward_hook(lambda _, __, outputs: seen.append(outputs.dtype))
        method.step(model, (inputs, labels), torch.optim.Adam(model.parameters()))
        assert set(seen) == {torch.bfloat16}, "a pass is not in `task.autocast`; run it by `Method.forward`"
        assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    def test_on_a_gpu(self, case: Case) -> None:
        model = case.model().float().cuda()
        inputs, labels = model.batch()
        inputs = inputs.float().cuda() if isinstance(inputs, Tensor) else (inputs[0].cuda(), *inputs[1:])
        start = parameters_of(model)
        generator = torch.Generator("cuda").manual_seed(0)
        method = case.on(model, generator=generator, autocast=torch.bfloat16)
        method.step(model, (inputs, labels.cuda()), standing(model))
        assert set(moved(start, model)) <= set(method.owns(model))


def _places(tensor: Tensor) -> list[tuple[int, int]]:
    """Extents and strides that decide where elements lie; the stride of an extent of 1 does not."""
    return [(n, stride) for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if n > 1]


def _scaled_cross_entropy(factor: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda outputs, labels: factor * F.cross_entropy(outputs, labels)


def _leaves(model: Model, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    states = (model.state_dict(), optimizer.state_dict()["state"])
    return [leaf for leaf in torch.utils._pytree.tree_leaves(states) if isinstance(leaf, Tensor)]
