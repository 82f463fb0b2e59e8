"""What DropAttack draws: the masks of its perturbations, and the directions of its random control."""

import pytest
import torch

from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


def attacked_share(mask, steps=40, p=0.3, **values):
    """For each pass, which elements of the hidden weight were attacked."""
    model = make(Images)
    points = Points().follow(model)
    method = method_for("dropattack", model, targets="hidden", p=p, k=1, mask=mask, **values)
    start = model.conv.weight.detach().clone()
    for _ in range(steps):
        method.step(model, model.batch(), standing(model))
    return torch.stack([point["conv.weight"] != start for point in points.parameters[1::2]])


@pytest.mark.parametrize(("mask", "draws"), [("element", 27), ("row", 3), ("tensor", 1)])
def test_masks_attack_with_probability_p(mask, draws):
    steps, p = 200, 0.3
    attacked = attacked_share(mask, steps, p)
    share = attacked.double().mean().item()
    assert abs(share - p) < 4 * (p * (1 - p) / (steps * draws)) ** 0.5
    together = {"element": attacked[..., None], "row": attacked.flatten(2), "tensor": attacked.flatten(1)}[
        mask
    ]
    assert (together.all(-1) | ~together.any(-1)).all()


def test_rescaling_divides_by_p():
    sizes = []
    for rescale in (False, True):
        model = make(Images)
        points = Points().follow(model)
        start = model.conv.weight.detach().clone()
        method_for("dropattack", model, targets="hidden", k=1, p=0.4, rescale=rescale).step(
            model, model.batch(), standing(model)
        )
        sizes.append((points.parameters[1]["conv.weight"] - start).norm())
    assert sizes[1] / sizes[0] == pytest.approx(1 / 0.4)


def shifts(steps, targets, **values):
    """Of each step, all that its attacked pass moved, in the hidden weight and in the input, as one row."""
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    start = model.conv.weight.detach().clone()
    method = method_for("dropattack", model, targets=targets, k=1, grouping="joint", **values)
    for _ in range(steps):
        method.step(model, batch, standing(model))
    weights = [(seen["conv.weight"] - start).flatten() for seen in points.parameters[1::2]]
    inputs = [(seen - batch[0]).flatten() for seen in points.activations[1::2]]
    return torch.cat([torch.stack(weights), torch.stack(inputs)], 1)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("mask", ["element", "row"])
@pytest.mark.parametrize(
    "values",
    [
        {"targets": "hidden", "p": 0.3},
        {"targets": "input", "p": 0.7, "norm": "sample"},
        {"targets": "input+hidden", "p": 0.5, "norm": "joint", "epsilon_scale": "relative"},
        {"targets": "input+hidden", "p": 0.2, "norm": "row", "input_ratio": 0.3},
    ],
)
def test_p_one_norm_has_the_mean_square_of_masked_perturbations(values, mask, rescale):
    """By simulation, and p-one their mean: one ε has the mean and another the mean square."""
    steps = 400
    masked = shifts(steps, mask=mask, rescale=rescale, **values)
    (norm,) = shifts(1, control="p-one-norm", mask=mask, rescale=rescale, **values)
    (mean,) = shifts(1, control="p-one", mask=mask, rescale=rescale, **values)
    for seen, expected in (
        (masked.square().sum(1), norm.square().sum()),
        (masked @ norm, mean @ norm),
    ):
        assert abs(seen.mean() - expected) < 5 * seen.std() / steps**0.5
    assert (norm.norm() / mean.norm()).item() == pytest.approx(values["p"] ** -0.5)


def test_masked_rows_are_distributed_as_a_mask_over_the_whole_matrix():
    """The rows that the batch looks up, and no others, are attacked with Bernoulli(p), row by row alike."""
    steps, p = 300, 0.5
    model = make(Texts)
    batch = model.batch()
    points = Points().follow(model)
    start = model.embed.weight.detach().clone()
    method = method_for("dropattack", model, targets="input", p=p, k=1)
    for _ in range(steps):
        method.step(model, batch, standing(model))
    attacked = torch.stack([point["embed.weight"] != start for point in points.parameters[1::2]]).double()
    gradient = gradient_at(model, batch, {n: q.detach() for n, q in model.named_parameters()})[0][
        "embed.weight"
    ]
    live = gradient != 0
    assert attacked[:, ~live].sum() == 0
    draws = attacked[:, live]
    deviation = (p * (1 - p)) ** 0.5
    assert abs(draws.mean() - p) < 4 * deviation / draws.numel() ** 0.5
    per_element = (draws.mean(0) - p) / (deviation / steps**0.5)
    assert per_element.square().mean().item() == pytest.approx(1, abs=5 * (2 / per_element.numel()) ** 0.5)
    assert per_element.abs().max() < 5
    standardised = (draws - p) / deviation
    correlations = (standardised.T @ standardised / steps).triu(1)
    assert correlations.abs().max() < 6 / steps**0.5
    whole = 0.7 * gradient / gradient.norm()
    last = points.parameters[-1]["embed.weight"] - start
    assert close(last, whole * attacked[-1], 1e-6)


def test_random_direction_has_the_declared_size_and_no_gradient_in_it():
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    values = {"targets": "hidden", "k": 1, "p": 1.0, "epsilon": 0.7, "control": "random-direction"}
    method = method_for("dropattack", model, **values)
    start = model.conv.weight.detach().clone()
    for _ in range(100):
        method.step(model, batch, standing(model))
    moved = torch.stack([p["conv.weight"] - start for p in points.parameters[1::2]]).flatten(1)
    assert torch.allclose(moved.norm(dim=1), torch.tensor(0.7, dtype=torch.float64))
    gradient = gradient_at(model, batch, points.parameters[0])[0]["conv.weight"].flatten()
    cosines = moved @ gradient / (0.7 * gradient.norm())
    assert abs(cosines.mean()) < 4 / (100 * len(gradient)) ** 0.5


def test_random_direction_leaves_padding_and_absent_rows_alone():
    model = make(Texts)
    batch = model.batch()
    points = Points().follow(model)
    start = model.embed.weight.detach().clone()
    method_for("dropattack", model, targets="input", p=1.0, control="random-direction").step(
        model, batch, standing(model)
    )
    moved = (points.parameters[1]["embed.weight"] != start).any(1).nonzero().flatten()
    present = batch[0][0].unique()
    assert torch.equal(moved, present[present != 0])
