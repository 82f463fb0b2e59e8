import pytest
import torch
from torch import nn

import dropattack
from dropattack import UsageError
from tests.dropattack.toys import Images, make, method_for, standing


@pytest.mark.parametrize("reduction", ["none", "item"])
def test_a_loss_that_is_no_scalar_tensor_is_refused(reduction):
    def loss(outputs, labels):
        if reduction == "item":
            return nn.functional.cross_entropy(outputs, labels).item()
        return nn.functional.cross_entropy(outputs, labels, reduction="none")

    model = make(Images)
    for name in dropattack.registered():
        with pytest.raises(UsageError, match="the loss must be a scalar tensor"):
            method_for(name, model, task={"loss": loss}).step(model, model.batch(), standing(model))


def test_unknown_method_and_hyperparameter():
    with pytest.raises(UsageError, match="unknown method 'dropatack'; did you mean 'dropattack'"):
        dropattack.create("dropatack")
    with pytest.raises(UsageError, match="unknown hyperparameter 'eps'"):
        dropattack.create("dropattack", eps=1)
    with pytest.raises(UsageError, match="unknown value of control 'eps-zer'; did you mean 'eps-zero'"):
        dropattack.create("dropattack", control="eps-zer")


def test_a_name_is_taken_once():
    class Other(dropattack.Standard):
        name = "sam"

    with pytest.raises(UsageError, match="'sam' is registered already"):
        dropattack.register(Other)
    assert dropattack.method_named("sam") is dropattack.SAM


def test_foreign_state_is_refused():
    with pytest.raises(UsageError, match="keeps no state"):
        dropattack.create("standard").load_state_dict({"delta": 1})


def test_clipping_equals_torchs():
    models = [make(Images), make(Images)]
    batch = models[0].batch()
    method_for("standard", models[0], task={"clip_norm": 0.1}).step(models[0], batch, standing(models[0]))
    nn.functional.cross_entropy(models[1](batch[0]), batch[1]).backward()
    nn.utils.clip_grad_norm_(models[1].parameters(), 0.1)
    for left, right in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(left.grad, right.grad, rtol=1e-12)


def test_clipping_leaves_small_gradients_alone():
    models = [make(Images), make(Images)]
    batch = models[0].batch()
    for model, clip in zip(models, (1e6, None), strict=True):
        method_for("standard", model, task={"clip_norm": clip}).step(model, batch, standing(model))
    for left, right in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(left.grad, right.grad)


def test_an_autocast_context_around_the_step_does_not_hide_attacks():
    model = make(Images).float()
    images, labels = model.batch()
    batch = (images.float(), labels)
    found = []
    for around in (False, True):
        values = {"targets": "hidden", "epsilon": 50.0, "p": 1.0, "k": 1}
        method = method_for("dropattack", model, task={"autocast": torch.bfloat16}, **values)
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            method.step(model, batch, standing(model))
        found.append(model.fc.weight.grad.clone())
    assert torch.equal(found[0], found[1])
    method_for("standard", model, task={"autocast": torch.bfloat16}).step(model, batch, standing(model))
    assert not torch.allclose(model.fc.weight.grad * 2, found[0], rtol=0.1)


def test_rounds_of_standard_training_are_counted_as_passes():
    settings = dropattack.create("standard", rounds=3).settings
    assert (settings.rounds_at(1), settings.passes, settings.passes_at(1)) == (3, 1, 3)


def test_outputs_of_any_structure_are_detached():
    class Pair(Images):
        def forward(self, images):
            return {"logits": super().forward(images), "images": images}

    def loss(outputs, labels):
        return nn.functional.cross_entropy(outputs["logits"], labels)

    model = make(Pair)
    result = method_for("sam", model, task={"loss": loss}).step(model, model.batch(), standing(model))
    assert result.outputs["logits"].shape == (5, 4)
    assert not result.outputs["logits"].requires_grad


def test_packed_sequences_as_inputs():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, 4, batch_first=True)
            self.fc = nn.Linear(4, 2)

        def forward(self, vectors, lengths):
            return self.classify(pack(vectors, lengths))

        def classify(self, packed):
            return self.fc(self.rnn(packed)[1][-1])

    class Outside(Inside):
        def forward(self, packed):
            return self.classify(packed)

    def pack(vectors, lengths):
        return nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)

    torch.manual_seed(0)
    inside, outside = Inside(), Outside()
    outside.load_state_dict(inside.state_dict())
    inputs, labels = (torch.rand(3, 5, 3), torch.tensor([5, 2, 4])), torch.tensor([0, 1, 0])
    for model, given in ((inside, inputs), (outside, pack(*inputs))):
        method = dropattack.create("dropattack", targets="rnn.weight_hh_l0", k=2, p=1.0)
        method.step(model, (given, labels), standing(model))
    for left, right in zip(inside.parameters(), outside.parameters(), strict=True):
        assert torch.allclose(left.grad, right.grad)
    with pytest.raises(UsageError, match="not PackedSequence"):
        dropattack.create("fgm").step(outside, (pack(*inputs), labels), standing(outside))


@pytest.mark.parametrize("name", sorted(set(dropattack.registered()) - {"freeat"}))
def test_a_step_is_one_gathering_between_clearing_and_updating(name):
    stepped, gathered = make(Images), make(Images)
    batch = stepped.batch()
    method = method_for(name, stepped)
    optimizer = torch.optim.SGD(stepped.parameters(), lr=0.1)
    for parameter in stepped.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    method.step(stepped, batch, optimizer)

    before = {key: p.detach().clone() for key, p in gathered.named_parameters()}
    method_for(name, gathered).gather(gathered, batch)
    assert all(torch.equal(parameter, before[key]) for key, parameter in gathered.named_parameters())
    torch.optim.SGD(gathered.parameters(), lr=0.1).step()
    for key, parameter in gathered.named_parameters():
        if key not in method.owns(gathered):
            assert torch.equal(stepped.get_parameter(key), parameter), key


def test_a_method_with_neither_hook_nor_step_is_refused():
    class Empty(dropattack.Method):
        name = "empty"

    model = make(Images)
    with pytest.raises(UsageError, match="'empty' defines neither `gather` nor `own_step`"):
        Empty(dropattack.Settings(), dropattack.Task()).step(model, model.batch(), standing(model))


@pytest.mark.parametrize("name", ["fgsm", "fgm", "pgd", "freeat", "dropen"])
def test_words_have_no_range_of_pixels_to_keep(name):
    with pytest.raises(UsageError, match="clamp is for images"):
        dropattack.create(name, task=dropattack.Task(names={"input": "embed.weight"}), clamp=True)


def test_float16_without_a_scaled_loss_is_refused_whoever_asks_for_it():
    model = make(Images).float()
    images, labels = model.batch()
    batch = images.float(), labels
    for given, around in ((torch.float16, None), (None, torch.float16)):
        method = method_for("dropattack", model, task={"autocast": given})
        with (
            torch.autocast("cpu", around, enabled=around is not None),
            pytest.raises(UsageError, match="float16 needs its loss scaled"),
        ):
            method.step(model, batch, standing(model))


class Fused:
    """An optimizer that looks for `found_inf`, as torch's fused ones do on a GPU."""

    def __init__(self, scales):
        self._step_supports_amp_scaling = scales
        self.seen = []

    def step(self):
        self.seen.append(getattr(self, "found_inf", None))


def test_on_a_gpu_a_fused_optimizer_is_told_and_the_host_does_not_look():
    """The device ``meta`` has no values: to look at one would raise."""
    broken = torch.zeros((), device="meta", dtype=torch.float64)
    optimizer = Fused(True)
    dropattack.Standard.advance(optimizer, broken)
    (seen,) = optimizer.seen
    assert (seen.dtype, seen.device.type) == (torch.float32, "meta")
    assert not hasattr(optimizer, "found_inf")
    with pytest.raises(RuntimeError, match="meta"):
        dropattack.Standard.advance(Fused(False), broken)


@pytest.mark.parametrize(("broken", "steps"), [(0.0, 1), (1.0, 0)])
def test_on_a_cpu_a_broken_update_is_not_taken(broken, steps):
    optimizer = Fused(True)
    dropattack.Standard.advance(optimizer, torch.tensor(broken))
    assert len(optimizer.seen) == steps


def test_fused_optimizers_look_where_they_are_told():
    """Torch's own, on a CPU: the attribute is what `torch.amp.GradScaler` sets too."""
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
        for value, moves in ((0.0, True), (1.0, False)):
            model = make(Images).float()
            optimizer = kind(model.parameters(), lr=0.1, fused=True)
            assert optimizer._step_supports_amp_scaling
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            before = model.fc.weight.detach().clone()
            optimizer.found_inf = torch.tensor(value)
            optimizer.step()
            assert torch.equal(model.fc.weight, before) != moves


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dropattack", {"control": "random-direction"}),
        ("dropattack", {"p": 0.5}),
        ("dropout", {"rate": 0.5}),
        ("esam-swp", {}),
        ("freelb", {}),
        ("rwp", {}),
    ],
)
def test_noise_and_masks_are_the_same_however_tensors_lie_in_memory(name, values):
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        model = make(Images)
        model.conv = nn.Conv2d(2, 3, 3).double().to(memory_format=layout)
        images, labels = torch.rand(6, 2, 6, 6, dtype=torch.float64), torch.arange(6) % 4
        images = images.to(memory_format=layout)
        method = method_for(name, model, seed=3, **values)
        method.step(model, (images, labels), standing(model))
        found.append(torch.cat([p.grad.contiguous().flatten() for p in model.parameters()]))
    assert torch.allclose(*found, rtol=1e-9, atol=1e-13)
