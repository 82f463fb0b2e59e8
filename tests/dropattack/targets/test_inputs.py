"""Inputs by name, several at once, and words that a model looks up in an embedding that it names itself."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import dropattack
from dropattack import DropAttackSettings, Task, UsageError, parse_targets
from tests.dropattack.outsiders import outsider
from tests.dropattack.toys import make

IMAGE, TEXT = torch.rand(4, 3, dtype=torch.float64), torch.rand(4, 2, dtype=torch.float64)
KINDS, Y = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 1, 0])
MASK = torch.ones(4, 2, dtype=torch.float64)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kinds = nn.Embedding(3, 2)
        self.input = nn.Linear(7, 4)
        self.fc = nn.Linear(4, 2)

    def forward(self, image: Tensor, kind: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
        text = text if mask is None else text * mask
        hidden = torch.tanh(self.input(torch.cat([image, self.kinds(kind), text], 1)))
        logits: Tensor = self.fc(hidden)
        return logits


FORMS: dict[str, Any] = {
    "tuple": ((IMAGE, KINDS, TEXT, MASK), Y),
    "mapping": ({"text": TEXT, "mask": MASK, "kind": KINDS, "image": IMAGE}, Y),
}


def seen_by(model: nn.Module, name: str, batch: Any, task: Task | None = None, **values: Any) -> list[Any]:
    """How far image, text and mask have moved in each pass."""
    passes: list[Any] = []

    def note(_: nn.Module, args: Any, kwargs: Any) -> None:
        names = ("image", "kind", "text", "mask")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        clean = {"image": IMAGE, "text": TEXT, "mask": MASK}
        moved = {key: given.get(key, value).detach() - value for key, value in clean.items()}
        passes.append(moved)

    method = dropattack.create(name, task=task, **values)
    forward = model.forward
    model.forward = lambda *args, **kwargs: (note(model, args, kwargs), forward(*args, **kwargs))[1]
    try:
        method.step(model, batch, torch.optim.SGD(model.parameters(), lr=0.0))
    finally:
        del model.forward
    return passes


def by(model: nn.Module) -> dict[str, Tensor]:
    leaves = {"image": IMAGE.clone().requires_grad_(), "text": TEXT.clone().requires_grad_()}
    loss = F.cross_entropy(model(leaves["image"], KINDS, leaves["text"]), Y)
    return dict(zip(leaves, torch.autograd.grad(loss, [*leaves.values()]), strict=True))


@pytest.mark.parametrize("batch", [FORMS["tuple"], ((IMAGE.long(), KINDS, TEXT), Y)])
def test_input_alone_is_the_first_numbers_of_a_tuple(batch: Any) -> None:
    class Whole(Two):
        def forward(self, image: Tensor, kind: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
            return super().forward(image.double(), kind, text, mask)

    first, other = ("image", "text") if batch[0][0] is IMAGE else ("text", "image")
    clean, attacked = seen_by(make(Whole), "fgm", batch, epsilon=0.5)
    assert (attacked[first] - clean[first]).norm(dim=1).sub(0.5).abs().max() < 1e-9
    assert torch.equal(attacked[other], clean[other])
    assert not attacked["mask"].any()


def test_input_alone_is_all_numbers_of_a_mapping_under_one_norm_and_no_mask() -> None:
    model = make(Two)
    _, attacked = seen_by(model, "fgm", FORMS["mapping"], epsilon=0.5)
    found = by(model)
    length = torch.cat([found["image"], found["text"]], 1).norm(dim=1, keepdim=True)
    for name in ("image", "text"):
        torch.testing.assert_close(attacked[name], 0.5 * found[name] / length)
    assert not attacked["mask"].any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["image", "text"])
def test_a_task_says_which_input_is_attacked(form: str, name: str) -> None:
    model = make(Two)
    task = Task(names={"input": f"input.{name}"})
    _, attacked = seen_by(model, "fgm", FORMS[form], task, epsilon=0.5)
    found = by(model)[name]
    torch.testing.assert_close(attacked[name], 0.5 * found / found.norm(dim=1, keepdim=True))
    assert not any(attacked[other].any() for other in {"image", "text", "mask"} - {name})


def test_clamp_and_pgd_keep_a_named_input_in_its_range() -> None:
    task = Task(names={"input": "input.image"}, generator=torch.Generator().manual_seed(1))
    passes = seen_by(make(Two), "pgd", FORMS["mapping"], task, epsilon=3.0, clamp=True, random_start=True)
    for moved in passes[1:]:
        assert (IMAGE + moved["image"]).min() >= 0
        assert (IMAGE + moved["image"]).max() <= 1
        assert not moved["text"].any()


@pytest.mark.parametrize("form", FORMS)
def test_dropattack_takes_inputs_by_name_beside_weights(form: str) -> None:
    """Both inputs are of the group of the input, each with its own norm; the weight is of the other."""
    model = make(Two)
    values = {"targets": "fc.weight+input.text+input.image", "epsilon": 0.5, "p": 1.0}
    clean, inputs, hidden = seen_by(model, "dropattack", FORMS[form], **values)
    found = by(model)
    for name in ("image", "text"):
        assert not clean[name].any()
        assert not hidden[name].any()
        torch.testing.assert_close(inputs[name], 0.5 * found[name] / found[name].norm())


@pytest.mark.parametrize(("ratio", "moves"), [(1.0, True), (0.0, False)])
def test_the_ratio_of_the_input_is_that_of_a_named_one(ratio: float, moves: bool) -> None:
    values = {"targets": "input.image+fc.weight", "input_ratio": ratio, "p": 1.0}
    passes = seen_by(make(Two), "dropattack", FORMS["tuple"], **values)
    assert any(moved["image"].any() for moved in passes) == moves


def test_a_layer_that_is_called_input_keeps_its_parameters() -> None:
    assert DropAttackSettings(targets="input.weight+input.bias").groups == [("input.bias", "input.weight")]
    passes = seen_by(make(Two), "dropattack", FORMS["tuple"], targets="input.weight", p=1.0)
    assert len(passes) == 2
    assert not any(moved[name].any() for moved in passes for name in moved)


def test_inputs_come_first_among_targets() -> None:
    found = parse_targets("a.weight+input.text+input.weight+input+input.image")
    assert found == ("input", "input.image", "input.text", "a.weight", "input.weight")


@pytest.mark.parametrize("words", [True, False])
def test_a_norm_for_each_example_of_a_named_input_is_no_other_spelling(words: bool) -> None:
    settings = DropAttackSettings(targets="input.image", norm="sample")
    assert settings.canonical(words).norm == "sample"
    assert DropAttackSettings(targets="fc.weight", norm="sample").canonical(words).norm == "tensor"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("input.imag", "unknown input 'imag'; did you mean 'image'"),
        ("input.kind", "target 'input.kind' needs a floating-point input, not torch.int64"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_name_is_one_line(form: str, target: str, message: str) -> None:
    model = make(Two)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for method in (
        dropattack.create("dropattack", targets=target),
        dropattack.create("sam"),
        dropattack.create("awp", task=Task(names={"input": target})),
        dropattack.create("freelb", task=Task(names={"input": target})),
    ):
        if method.name == "sam":
            method.step(model, FORMS[form], optimizer)  # attacks no input
            continue
        with pytest.raises(UsageError, match=message.replace("target 'input.kind'", "target '.*'")) as caught:
            method.step(model, FORMS[form], optimizer)
        assert "\n" not in str(caught.value)


def test_arguments_without_names_go_by_number() -> None:
    class Stars(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(5, 2)

        def forward(self, *parts: Tensor) -> Tensor:
            logits: Tensor = self.fc(torch.cat(parts, 1))
            return logits

    model = make(Stars)
    method = dropattack.create("dropattack", targets="input.1+input.0")
    with pytest.raises(UsageError, match="unknown target"):  # a number is no name
        method.step(model, ((IMAGE, TEXT), Y), torch.optim.SGD(model.parameters(), lr=0.0))
    dropattack.create("fgm").step(model, ((IMAGE, TEXT), Y), torch.optim.SGD(model.parameters(), lr=0.0))


@pytest.mark.parametrize("name", ["freelb", "fgm", "pgd", "awp"])
@pytest.mark.parametrize("form", ["tuple", "mapping", "hf"])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_padding_of_an_attention_mask_is_not_attacked(kind: str, form: str, name: str) -> None:
    given = outsider(kind)
    model: Any = given.copy()
    clean = model.get_input_embeddings().weight.detach()[given.inputs["input_ids"]]
    padding = given.inputs["attention_mask"] == 0
    seen: list[Tensor] = []
    after = model.bert.embeddings if kind == "bert" else model.transformer
    embed = after.word_embeddings if kind == "bert" else after.wte
    method = given.method(name, **({"gamma": 0.0} if name == "awp" else {}))

    class Seen(torch.autograd.Function):
        """Passes vectors on, and notes them behind the hooks of the embedding."""

        @staticmethod
        def forward(ctx: Any, vectors: Tensor) -> Tensor:
            seen.append(vectors.detach().clone())
            return vectors.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient

    inner = embed.register_forward_hook

    def register(hook: Any, **options: Any) -> Any:
        return inner(lambda *args, **kwargs: Seen.apply(hook(*args, **kwargs)), **options)

    embed.register_forward_hook = register
    method.step(model, given.batch(form), torch.optim.SGD(model.parameters(), lr=0.0))
    moved = torch.stack([(vectors - clean).abs().amax(2) for vectors in seen]).amax(0)
    assert not moved[padding].any()
    assert (moved[~padding] > 0).double().mean() > 0.5, "no word follows the last of a text"


def test_a_frozen_embedding_is_attacked_in_its_vectors() -> None:
    """As with adapters, where only a few parameters are trained."""
    given = outsider("bert")
    model: Any = given.copy()
    for key, parameter in model.named_parameters():
        parameter.requires_grad_(key.startswith("classifier"))
    given.method("fgm").step(model, given.batch("hf"), torch.optim.SGD(model.parameters(), lr=0.0))
    start = dict(given.model.named_parameters())
    clean, point = given.gradients(start)
    attacked, _ = given.gradients(start, point / point.flatten(1).norm(dim=1)[:, None, None])
    torch.testing.assert_close(
        model.classifier.weight.grad, clean["classifier.weight"] + attacked["classifier.weight"]
    )
    assert model.get_input_embeddings().weight.grad is None


def test_vectors_that_are_given_are_attacked_in_place_of_words() -> None:
    given = outsider("bert")
    model: Any = given.copy()
    vectors = given.point + torch.zeros_like(given.point)
    batch = {"inputs_embeds": vectors, "attention_mask": given.inputs["attention_mask"]}
    calls: list[Tensor] = []
    model.register_forward_pre_hook(lambda *a: calls.append(a[2]["inputs_embeds"]), with_kwargs=True)
    method = given.method("fgm")
    method.step(model, (batch, given.labels), torch.optim.SGD(model.parameters(), lr=0.0))
    assert len(calls) == 2
    assert model.get_input_embeddings().weight.grad is None


def test_a_model_of_words_without_a_named_embedding_says_what_to_do() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.fc = nn.Embedding(5, 3), nn.Linear(3, 2)

        def forward(self, ids: Tensor) -> Tensor:
            logits: Tensor = self.fc(self.embed(ids).mean(1))
            return logits

    model = make(Plain)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(UsageError, match=r"map 'input' to the embedding's weight in Task\.names"):
        dropattack.create("fgm").step(model, (KINDS[:, None], Y), optimizer)
