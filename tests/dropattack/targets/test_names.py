from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack import UsageError, canonical_targets, parse_targets
from tests.dropattack.toys import Images, Texts, make, method_for, standing

BY_HAND = r"target '{}' needs an nn\.Embedding that the model calls, as in `embedding\(tokens\)`: use neither"


def step(model, targets, **task):
    values = {"targets": targets, "k": 1}
    return method_for("dropattack", model, task=task, **values).step(model, model.batch(), standing(model))


def test_names_have_one_order():
    assert parse_targets(" conv10.w + conv2.w+input ") == ("input", "conv2.w", "conv10.w")
    assert parse_targets("a²+a10+a9+a" + "1" * 5000) == ("a9", "a10", "a" + "1" * 5000, "a²")
    assert canonical_targets("b+a+input") == canonical_targets("input+a+b") == "input+a+b"


@pytest.mark.parametrize(("text", "message"), [("", "empty name"), ("a++b", "empty name"), ("a+a", "twice")])
def test_malformed_sets_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_targets(text)


def test_unknown_target_names_the_nearest_and_the_valid_ones():
    with pytest.raises(
        UsageError, match=r"unknown target 'hiden'; did you mean 'hidden'\? valid: input, hidden"
    ):
        step(make(Images), "hiden")
    with pytest.raises(UsageError, match=r"valid: input, conv\.weight, conv\.bias"):
        step(make(Images), "seen.weight", names={})


def test_a_module_is_no_target():
    with pytest.raises(UsageError, match="unknown target 'conv'"):
        step(make(Images), "conv", names={})


def test_frozen_target():
    model = make(Images)
    model.conv.weight.requires_grad_(False)
    with pytest.raises(UsageError, match="'hidden' is frozen"):
        step(model, "hidden")


def test_unused_target():
    model = make(Images)
    model.idle = nn.Parameter(torch.ones(2, dtype=torch.float64))
    with pytest.raises(UsageError, match="'idle' got no gradient"):
        step(model, "idle", names={})


def test_an_embedding_that_the_batch_does_not_look_up():
    model = make(Images)
    model.embed = nn.Embedding(4, 2).double()
    with pytest.raises(UsageError, match=r"'embed\.weight' got no gradient"):
        step(model, "embed.weight", names={})


def test_one_tensor_under_two_names():
    model = make(Texts)
    names = {**model.names, "words": "embed.weight"}
    with pytest.raises(UsageError, match="'input' and 'words' are one tied tensor"):
        step(model, "input+words", names=names)


def test_tokens_need_an_embedding():
    model = make(Images)
    task = dropattack.Task(names={"input": "conv.weight"})
    for name in ("freelb", "fgm", "dropattack"):
        with pytest.raises(UsageError, match=BY_HAND.format("input")):
            dropattack.create(name, task=task).step(model, model.batch(), standing(model))


def test_token_ids_without_a_name_for_the_embedding():
    model = make(Texts)
    with pytest.raises(UsageError, match=r"map 'input' to the embedding's weight in Task\.names"):
        step(model, "input", names={})


@pytest.mark.parametrize(
    ("name", "target"),
    [("dropattack", "input"), ("fgm", "input"), ("rwp", r"embed\.weight"), ("sam", r"embed\.weight")],
)
def test_a_weight_borrowed_from_an_embedding_is_refused(name, target):
    class Borrowing(Texts):
        def forward(self, ids, lengths):
            return self.rnn(self.embed(ids))[0][:, -1] @ self.embed.weight[:, :5].T

    model = make(Borrowing)
    start = model.embed.weight.detach().clone()
    with pytest.raises(UsageError, match=BY_HAND.format(target)):
        method_for(name, model).step(model, model.batch(), standing(model))
    assert torch.equal(model.embed.weight, start)


class ByHand(nn.Module):
    """Looks its words up by `F.embedding`: in an `nn.Embedding` that it owns, or in a plain parameter."""

    def __init__(self, owned, sparse=False):
        super().__init__()
        self.sparse = sparse
        self.embed = nn.Embedding(9, 4)
        if not owned:
            self.embed = nn.Module()
            self.embed.weight = nn.Parameter(torch.randn(9, 4))
        self.fc = nn.Linear(4, 3)

    def forward(self, ids):
        return self.fc(F.embedding(ids, self.embed.weight, sparse=self.sparse).tanh().mean(1))


SETTINGS = {
    "awp": [{}, {"k": 0}],
    "dropattack": [{}, {"text_input": "tokens"}, {"targets": "fc.weight"}, {"targets": "embed.weight"}],
    "dropen": [{}, {"cosine": 0.0, "smoothness": 0.0}],
    "freelb": [{}, {"k": 1}],
}
WHOLE = {"apb", "dropout", "l1", "l2", "msam", "r-drop", "standard"}
ALL_WEIGHTS = {"asam", "esam-swp", "rwp", "sam"}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_words_looked_up_by_hand_get_one_line_or_are_attacked_as_a_whole_matrix(name, owned, sparse):
    for values in SETTINGS.get(name, [{}]):
        model = make(ByHand, owned=owned, sparse=sparse)
        batch = torch.tensor([[1, 2, 3], [4, 1, 1]]), torch.tensor([0, 2])
        start = {key: p.detach().clone() for key, p in model.named_parameters()}
        task = dropattack.Task(names={"input": "embed.weight"})
        method = dropattack.create(name, task=task, **values)
        weights = name in ALL_WEIGHTS or values in ({"k": 0}, {"targets": "embed.weight"})
        if name in WHOLE or values == {"targets": "fc.weight"} or (weights and not owned):
            method.step(model, batch, standing(model))
        else:
            target = r"embed\.weight" if weights else "input"
            with pytest.raises(UsageError, match=BY_HAND.format(target)) as found:
                method.step(model, batch, standing(model))
            assert "\n" not in str(found.value)
        assert name == "apb" or all(torch.equal(start[key], p) for key, p in model.named_parameters())


def test_a_plain_matrix_is_perturbed_as_that_of_an_embedding():
    class Called(ByHand):
        def forward(self, ids):
            return self.fc(self.embed(ids).tanh().mean(1))

    def moved(model):
        rows = []
        model.fc.register_forward_pre_hook(lambda *_: rows.append(model.embed.weight.detach().clone()))
        batch = torch.tensor([[1, 2, 3], [4, 1, 1]]), torch.tensor([0, 2])
        dropattack.create("sam").step(model, batch, standing(model))
        return rows[1] - rows[0]

    called, plain = make(Called, owned=True), make(ByHand, owned=False)
    plain.load_state_dict(called.state_dict())
    torch.testing.assert_close(moved(plain), moved(called))


@pytest.mark.parametrize(("name", "weights"), [("dropattack", (1, 1)), ("fgm", (1, 1)), ("sam", (0, 1))])
def test_words_that_only_a_later_pass_looks_up_have_their_gradient(name, weights):
    class Dropping(Texts):
        """Reads other words in every pass."""

        passes = 0

        def forward(self, ids, lengths):
            self.passes += 1
            return super().forward((ids + 3 * (self.passes - 1)) % self.embed.num_embeddings, lengths)

    model = make(Dropping)
    zero = {"rho": 0.0} if name == "sam" else {"epsilon": 0.0}
    (ids, lengths), labels = model.batch()
    expected = torch.zeros_like(model.embed.weight)
    for weight in weights:
        loss = nn.functional.cross_entropy(model(ids, lengths), labels)
        expected += weight * torch.autograd.grad(loss, model.embed.weight)[0]
    model.passes = 0
    method = dropattack.create(name, task=dropattack.Task(names=model.names), **zero)
    method.step(model, ((ids, lengths), labels), standing(model))
    torch.testing.assert_close(model.embed.weight.grad, expected)


@pytest.mark.parametrize("tied", [False, True])
def test_the_row_of_padding_is_attacked_in_a_tied_matrix_alone(tied):
    class Padded(nn.Module):
        names: ClassVar = {"input": "embed.weight"}

        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, 4, padding_idx=1)
            self.fc = nn.Linear(4, 7, bias=False)
            if tied:
                self.fc.weight = self.embed.weight
            self.rows = []

        def forward(self, ids):
            self.rows.append(self.embed.weight.detach()[[1, 2]].clone())
            return self.fc(self.embed(ids).mean(1))

    model = make(Padded)
    batch = torch.tensor([[2, 3, 1], [4, 1, 1]]), torch.tensor([0, 3])
    method_for("dropattack", model, targets="input", p=1.0, k=1).step(model, batch, standing(model))
    clean, attacked = model.rows
    assert (clean != attacked).any(1).tolist() == [tied, True]
