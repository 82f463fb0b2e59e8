"""Models of Hugging Face with an encoder and a decoder: the words that the encoder reads are attacked."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import Task
from trainables import vision

transformers = vision.transformers()
IDS = torch.tensor([[5, 6, 7, 8], [9, 5, 0, 0], [4, 3, 2, 0]])
MASK = (IDS > 0).long()
LABELS = torch.tensor([[3, 4, 1], [6, 1, -100], [7, 8, 1]])


def translator(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "t5":
        sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
        config = transformers.T5Config(vocab_size=12, decoder_start_token_id=0, dropout_rate=0.0, **sizes)
        return transformers.T5ForConditionalGeneration(config).double()
    sizes = {f"{part}_{size}": 1 for part in ("encoder", "decoder") for size in ("layers", "attention_heads")}
    sizes |= {"d_model": 8, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "max_position_embeddings": 8}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = transformers.BartConfig(vocab_size=12, dropout=0.0, forced_eos_token_id=None, **special, **sizes)
    return transformers.BartForConditionalGeneration(config).double()


def moved_by(model: Any, shift: Tensor) -> Any:
    """The loss where the encoder is given the vectors of its words, moved."""
    vectors = model.get_encoder().get_input_embeddings()(IDS) + shift
    return model(inputs_embeds=vectors, attention_mask=MASK, labels=LABELS).loss


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_an_attack_moves_what_the_encoder_reads_and_no_padding(kind: str, named: bool) -> None:
    model, other = translator(kind), translator(kind)
    names = {"input": "shared.weight" if kind == "t5" else "model.shared.weight"} if named else {}
    values = {"k": 2, "step_size": 0.5, "magnitude": 0.0}
    method = dropattack.create("freelb", task=Task(names=names), **values)
    method.accumulate(model, {"input_ids": IDS, "attention_mask": MASK, "labels": LABELS})

    shift = torch.zeros(*IDS.shape, 8, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(moved_by(other, shift), shift)
    slope = slope * MASK[..., None]
    further = 0.5 * slope / slope.flatten(1).norm(dim=1)[:, None, None]
    ((moved_by(other, torch.zeros_like(shift)) + moved_by(other, further)) / 2).backward()
    for parameter, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_sam_moves_every_matrix_along_its_whole_gradient(kind: str) -> None:
    """Learned positions too, whose module is called with tokens and looks up where they stand."""
    batch = {"input_ids": IDS, "attention_mask": MASK, "labels": LABELS}
    model, other = translator(kind), translator(kind)
    dropattack.create("sam", rho=0.5).accumulate(model, batch)

    parameters = list(other.parameters())
    slopes = torch.autograd.grad(other(**batch).loss, parameters)
    length = torch.stack([slope.norm() for slope in slopes]).norm()
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter += 0.5 * slope / length
    other(**batch).loss.backward()
    for parameter, expected in zip(model.parameters(), parameters, strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-9, atol=1e-12)


class Positions(nn.Embedding):
    """Called with how many there are before; gives the next two."""

    def forward(self, before: Tensor) -> Tensor:
        return self.weight[before[:, None] + torch.arange(2)]


class Placed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.places, self.fc = Positions(6, 3), nn.Linear(3, 2)

    def forward(self, before: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.places(before).square().mean(1))
        return logits


@pytest.mark.parametrize("name", ["sam", "asam", "awp", "dropattack", "rwp"])
def test_an_embedding_with_a_lookup_of_its_own_is_attacked_whole(name: str) -> None:
    torch.manual_seed(0)
    model = Placed().double()
    before, labels = torch.tensor([4, 0, 3]), torch.tensor([0, 1, 0])
    seen: list[Tensor] = []
    model.fc.register_forward_pre_hook(lambda *_: seen.append(model.places.weight.detach().clone()))
    values = {"dropattack": {"targets": "places.weight", "p": 1.0}, "awp": {"k": 0}}.get(name, {})
    start = model.places.weight.detach().clone()
    dropattack.create(name, **values).accumulate(model, (before, labels))
    moved = (seen[-1] - start).abs().sum(1) > 0
    used = [0, 1, 3, 4, 5]
    assert moved[used].all(), "a row that is used is not attacked"
    assert torch.equal(model.places.weight, start)
