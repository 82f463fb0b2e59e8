"""Three steps of a rule written out on functions of named tensors, beside those of a registered method."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from dropattack.testing.methods.models import Model, make, parameters_of
from tests.dropattack.toys import method_for

Parameters = dict[str, Tensor]
Rule = Callable[["Written", Parameters, Tensor, Tensor], Mapping[str, Tensor]]
RATE = 0.1


class Written:
    """A model as a function of its parameters and images, without a state."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.generator = torch.Generator().manual_seed(0)
        """Stands where the method's stands."""

    def logits(self, parameters: Parameters, images: Tensor) -> Tensor:
        found: Tensor = functional_call(self._model, parameters, (images,))
        return found

    def loss(self, parameters: Parameters, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(parameters, images), labels)

    def kl(self, parameters: Parameters, images: Tensor, attacked: Tensor) -> Tensor:
        """By torch's loss, whose first argument is the second of the divergence; a mean over examples."""
        p, q = (self.logits(parameters, each).log_softmax(1) for each in (images, attacked))
        return F.kl_div(q, p, reduction="batchmean", log_target=True)


def gradients(value: Tensor, parameters: Parameters) -> Parameters:
    return dict(zip(parameters, torch.autograd.grad(value, list(parameters.values())), strict=True))


def input_gradient(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    leaf = images.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(function(leaf), leaf)
    return found


def error_after_three_steps(name: str, kind: type[Model], rule: Rule, **values: object) -> float:
    """The largest relative error of a parameter between a method's three steps and a rule's, under SGD."""
    model, twin = make(kind), make(kind)
    batches = [model.batch() for _ in range(3)]
    written, parameters = Written(twin), parameters_of(twin)
    method = method_for(name, model, **values)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for images, labels in batches:
        method.step(model, (images, labels), optimizer)
        leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
        found = rule(written, leaves, images, labels)
        parameters = {key: value - RATE * found[key] for key, value in parameters.items()}
    return max(
        float((parameter.detach() - parameters[key]).norm() / parameters[key].norm().clamp(min=1e-9))
        for key, parameter in model.named_parameters()
    )
