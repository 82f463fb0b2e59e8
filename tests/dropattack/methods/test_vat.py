"""VAT against its power iteration written out, and against the Hessian that it approximates."""

import pytest
import torch

from dropattack.testing.methods.models import Images, Layered, Recurrent, make, standing
from tests.dropattack.methods.oracles import Written, error_after_three_steps, gradients, input_gradient
from tests.dropattack.toys import Points, method_for


def unit(tensor):
    return tensor / tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.dim() - 1))


@pytest.mark.parametrize("kind", [Images, Layered])
@pytest.mark.parametrize("k", [1, 3])
def test_three_steps(kind, k):
    def rule(written, parameters, images, labels):
        still = {name: value.detach() for name, value in parameters.items()}
        d = torch.randn(images.shape, dtype=images.dtype, generator=written.generator)
        for _ in range(k):
            point = images + 0.2 * unit(d)
            d = input_gradient(lambda x: written.kl(still, images, x), point)
        attacked = images + 0.7 * unit(d)
        log_p = written.logits(still, images).log_softmax(1)
        log_q = written.logits(parameters, attacked).log_softmax(1)
        apart = torch.nn.functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
        return gradients(written.loss(parameters, images, labels) + 1.3 * apart, parameters)

    values = {"kl_weight": 1.3, "epsilon": 0.7, "xi": 0.2, "k": k}
    assert error_after_three_steps("vat", kind, rule, **values) < 1e-12


def test_many_iterations_find_the_leading_eigenvector_of_the_divergences_hessian():
    model = make(Images)
    images, labels = model.batch(2)
    points = Points().follow(model)
    method_for("vat", model, k=60, xi=1e-4, epsilon=1.0).step(model, (images, labels), standing(model))
    model.seen._forward_pre_hooks.clear()
    written = Written(model)
    still = {name: value.detach() for name, value in model.named_parameters()}
    for number, image in enumerate(images):
        hessian = torch.autograd.functional.hessian(
            lambda x, image=image: written.kl(still, image[None], x.view(1, 1, 6, 6)), image.flatten()
        )
        leading = torch.linalg.eigh(hessian).eigenvectors[:, -1]
        moved = (points.activations[-1][number] - image).flatten()
        assert abs(torch.dot(leading, moved)) > 0.999


@pytest.mark.parametrize("text_input", ["tokens", "normalised"])
def test_texts_move_by_epsilon_in_their_unit_and_padding_stays(text_input):
    model = make(Recurrent)
    (ids, lengths), labels = model.batch()
    points = Points().follow(model)
    values = {"epsilon": 0.6, "text_input": text_input}
    method_for("vat", model, **values).step(model, ((ids, lengths), labels), standing(model))
    moved = points.activations[-1] - points.activations[0]
    assert (moved[ids == 0] == 0).all()
    words = points.activations[0][ids != 0]
    units = words.std(0, correction=0) if text_input == "normalised" else torch.ones(6)
    assert torch.allclose((moved / units).flatten(1).norm(dim=1), torch.full((5,), 0.6, dtype=torch.float64))
