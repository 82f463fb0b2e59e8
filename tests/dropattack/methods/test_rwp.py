import pytest
import torch

from tests.dropattack.toys import Images, Points, Texts, make, method_for, standing


@pytest.mark.parametrize("clean_weight", [0.0, 0.5])
@pytest.mark.parametrize("toy", [Images, Texts])
def test_noise_has_the_size_of_each_filter(toy, clean_weight):
    model = make(toy)
    batch = model.batch()
    start = {key: p.detach().clone() for key, p in model.named_parameters()}
    points = Points().follow(model)
    method = method_for("rwp", model, sigma=0.2, clean_weight=clean_weight)
    steps = 150
    for _ in range(steps):
        method.step(model, batch, standing(model))
    perturbed = points.parameters[:: method.settings.passes] if not clean_weight else points.parameters[1::2]
    present = batch[0][0].unique() if toy is Texts else None
    for key, weight in start.items():
        noise = torch.stack([point[key] - weight for point in perturbed])
        if key == "embed.weight":
            present = present[present != 0]
            absent = torch.ones(len(weight), dtype=torch.bool)
            absent[present] = False
            assert noise[:, absent].abs().max() == 0
            noise, weight = noise[:, present], weight[present]
        rows = weight if weight.dim() > 1 else weight[None]
        expected = 0.2 * rows.flatten(1).norm(dim=1)
        noise = noise.reshape(steps, len(rows), -1)
        count = steps * noise.shape[-1]
        deviation = noise.square().mean((0, 2)).sqrt()
        assert (noise.mean((0, 2)).abs() < 5 * expected / count**0.5).all(), key
        assert ((deviation / expected - 1).abs() < 5 / (2 * count) ** 0.5).all(), key


def test_an_embedding_looked_up_twice_is_perturbed_once():
    class Twice(Texts):
        def forward(self, ids, lengths):
            return super().forward(ids[:, :3], lengths.clamp(max=3), shift=self.embed(ids[:, 2:5]))

    model = make(Twice)
    batch = model.batch()
    start = model.embed.weight.detach().clone()
    ids = batch[0][0]
    found = []
    model.fc.register_forward_pre_hook(lambda *_: found.append(model.embed.weight.detach() - start))
    method_for("rwp", model, sigma=0.5, clean_weight=0.0).step(model, batch, standing(model))
    moved = found[0].any(1).nonzero().flatten()
    present = ids[:, :5].unique()
    assert torch.equal(moved, present[present != 0])
    assert torch.equal(model.embed.weight, start)
