"""Methods that differentiate twice on a transformer, against one written out in matrix products."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from tests.dropattack.toys import close, make, method_for, standing

HEADS, WIDTH = 2, 6


class Encoder(nn.Module):
    """Embedding, a transformer layer that does not look at padding, and the mean over words."""

    names: ClassVar = {"input": "embed.weight", "hidden": "fc.weight", "bias": "fc.bias"}

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, WIDTH, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 7, dropout=0.0, batch_first=True)
        self.fc = nn.Linear(WIDTH, 3)

    def read(self, vectors, padding):
        return self.layer(vectors, src_key_padding_mask=padding)

    def forward(self, ids):
        words = (ids != 0)[..., None]
        read = self.read(self.embed(ids), ids == 0)
        return self.fc((read * words).sum(1) / words.sum(1))


class Stacked(Encoder):
    """The layer inside `nn.TransformerEncoder`."""

    def read(self, vectors, padding):
        encoder = nn.TransformerEncoder(self.layer, 1).double().train(self.training)
        encoder.layers[0] = self.layer
        return encoder(vectors, src_key_padding_mask=padding)


class Alone(Encoder):
    """`nn.MultiheadAttention` called by the model, which adds what the layer adds."""

    def read(self, vectors, padding):
        found, _ = self.layer.self_attn(
            vectors, vectors, vectors, key_padding_mask=padding, need_weights=False
        )
        return rest_of_layer(dict(self.layer.named_parameters()), vectors, found)


class Functional(Encoder):
    """`F.scaled_dot_product_attention` called by the model."""

    def read(self, vectors, padding):
        weights = dict(self.layer.named_parameters())
        heads = projected(weights, vectors)
        found = F.scaled_dot_product_attention(*heads, attn_mask=~padding[:, None, None])
        return rest_of_layer(weights, vectors, joined(weights, found))


def projected(weights, vectors):
    """Queries, keys and values, ``[batch, heads, length, width / heads]``."""
    every = F.linear(vectors, weights["self_attn.in_proj_weight"], weights["self_attn.in_proj_bias"])
    return [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in every.chunk(3, -1)]


def joined(weights, found):
    names = "self_attn.out_proj.weight", "self_attn.out_proj.bias"
    return F.linear(found.transpose(1, 2).flatten(2), *(weights[name] for name in names))


def rest_of_layer(weights, vectors, found):
    def normed(x, name):
        return F.layer_norm(x, (WIDTH,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    first = normed(vectors + found, "norm1")
    inner = F.relu(F.linear(first, weights["linear1.weight"], weights["linear1.bias"]))
    return normed(first + F.linear(inner, weights["linear2.weight"], weights["linear2.bias"]), "norm2")


def by_products(leaves, vectors, ids):
    """Logits of one text's vectors, with attention as softmax(q kᵀ / √width) v over its words."""
    weights = {name.removeprefix("layer."): leaf for name, leaf in leaves.items()}
    queries, keys, values = projected(weights, vectors)
    scores = queries @ keys.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
    chances = scores.masked_fill((ids == 0)[:, None, None], -torch.inf).softmax(-1)
    read = rest_of_layer(weights, vectors, joined(weights, chances @ values))
    words = (ids != 0)[..., None]
    return F.linear((read * words).sum(1) / words.sum(1), leaves["fc.weight"], leaves["fc.bias"])


def batch():
    return torch.tensor([[3, 5, 7, 2], [4, 1, 0, 0], [0, 6, 8, 9], [10, 11, 3, 0]]), torch.arange(4) % 3


def total_by_products(leaves, smoothness, earlier=None, cosine=0.0):
    """Loss and penalties, text by text, and each text's gradient by its words' vectors."""
    losses, gradients = [], []
    for ids, label in zip(*batch(), strict=True):
        vectors = leaves["embed.weight"][ids][None]
        if not vectors.requires_grad:
            vectors = vectors.requires_grad_()
        loss = F.cross_entropy(by_products(leaves, vectors, ids[None]), label[None])
        (gradient,) = torch.autograd.grad(loss, vectors, create_graph=True)
        losses.append(loss)
        gradients.append((gradient * (ids != 0)[None, :, None]).flatten())
    total = sum(losses) / 4 + smoothness * sum(g.square().sum() for g in gradients) / 4
    if earlier is not None:
        pairs = zip(gradients, earlier, strict=True)
        total = total + cosine * sum((g @ e).abs() / g.norm() / e.norm() for g, e in pairs) / 4
    return total, [gradient.detach() for gradient in gradients]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [Encoder, Stacked, Alone, Functional])
def test_penalties_equal_those_of_plain_matrix_products(kind, training):
    model = make(kind).train(training)
    method = method_for("dropen", model, cosine=2.0, smoothness=0.7, k=0)
    earlier = None
    for _ in range(2):
        leaves = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
        total, earlier = total_by_products(leaves, 0.7, earlier, cosine=2.0)
        expected = torch.autograd.grad(total, list(leaves.values()))
        method.step(model, batch(), torch.optim.SGD(model.parameters(), lr=0.3))
        for (name, parameter), gradient in zip(model.named_parameters(), expected, strict=True):
            assert close(parameter.grad, gradient, 1e-8), name


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frozen", [(), ("embed",), ("embed", "layer")])
@pytest.mark.parametrize("name", [n for n, m in dropattack.registered().items() if m.second_order])
def test_methods_that_differentiate_twice_run_on_attention_and_leave_its_kernels_as_they_were(
    name, frozen, training
):
    model = make(Stacked).train(training)
    for part in frozen:
        getattr(model, part).requires_grad_(False)
    cuda = torch.backends.cuda
    states = cuda.flash_sdp_enabled, cuda.mem_efficient_sdp_enabled, cuda.cudnn_sdp_enabled
    before = [state() for state in states]
    assert any(before)
    result = method_for(name, model).step(model, batch(), standing(model))
    assert [state() for state in states] == before
    assert result.log["skipped_updates"] == 0
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
