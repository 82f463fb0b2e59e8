"""R-Drop against its loss written out, under masks that are known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack.testing.methods.models import Layered, make, parameters_of, standing
from tests.dropattack.toys import Images, close, method_for


class Masked(Layered):
    """With dropout between its layers, whose masks are noted."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.4)
        self.masks = []

    def forward(self, images):
        hidden = torch.tanh(self.wide(self.seen(images).flatten(1)))
        dropped = self.dropout(torch.ones_like(hidden))
        self.masks.append(dropped.detach())
        return self.fc(hidden * dropped)


def test_three_steps():
    model, batches = make(Masked), []
    method = method_for("r-drop", model, kl_weight=1.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parameters = parameters_of(model)
    del parameters["norm.weight"], parameters["norm.bias"]
    for _ in range(3):
        batches.append(model.batch())
        method.step(model, batches[-1], optimizer)
    assert len(model.masks) == 6
    for (images, labels), pair in zip(
        batches, zip(model.masks[::2], model.masks[1::2], strict=True), strict=True
    ):
        assert not torch.equal(*pair)
        leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        hidden = torch.tanh(images.flatten(1) @ leaves["wide.weight"].T + leaves["wide.bias"])
        one, other = (hidden * mask @ leaves["fc.weight"].T + leaves["fc.bias"] for mask in pair)
        p, q = one.log_softmax(1), other.log_softmax(1)
        symmetric = ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2
        loss = (F.cross_entropy(one, labels) + F.cross_entropy(other, labels)) / 2 + 1.5 * symmetric
        found = torch.autograd.grad(loss, list(leaves.values()))
        parameters = {
            name: value - 0.1 * g for (name, value), g in zip(parameters.items(), found, strict=True)
        }
    for name, value in parameters.items():
        assert close(model.get_parameter(name).detach(), value, 1e-12), name


def test_without_dropout_it_is_standard_training():
    found = []
    for name in ("r-drop", "standard"):
        model = make(Images)
        method_for(name, model).step(model, model.batch(), standing(model))
        found.append(model.fc.weight.grad)
    assert close(*found)


class Regressing(Images):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(48, 1)


@pytest.mark.parametrize("name", ["r-drop", "trades", "vat"])
def test_a_regression_is_refused_in_one_line(name):
    model = make(Regressing)
    images, labels = model.batch()
    method = method_for(name, model, task={"loss": lambda outputs, y: F.mse_loss(outputs.squeeze(1), y)})
    before = parameters_of(model)
    for given in (labels.double(), labels):
        with pytest.raises(dropattack.UsageError, match="compares distributions over classes") as caught:
            method.step(model, (images, given), standing(model))
        assert "\n" not in str(caught.value)
    assert all(torch.equal(p, before[key]) for key, p in model.named_parameters())


@pytest.mark.parametrize("name", ["r-drop", "trades", "vat"])
def test_labels_of_several_kinds_at_once_need_a_word_of_the_task(name):
    """Without it, two truth values an example look like nothing known; with it, each is a distribution."""

    def bernoulli(outputs):
        return torch.stack([F.logsigmoid(outputs), F.logsigmoid(-outputs)], -1)

    model = make(Images)
    images, labels = model.batch()
    several = F.one_hot(labels, 4).double()
    task = {"loss": F.binary_cross_entropy_with_logits}
    with pytest.raises(dropattack.UsageError, match="log_probabilities"):
        method_for(name, model, task=task).step(model, (images, several), standing(model))
    method = method_for(name, model, task={**task, "log_probabilities": bernoulli})
    assert method.step(model, (images, several), standing(model)).loss.isfinite()
