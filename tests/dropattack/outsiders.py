"""Models as other people have them, each with its batch in every form that a loop may have it in."""

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

import dropattack
from trainables import vision

FORMS = ("tuple", "mapping", "hf")


@dataclass(frozen=True)
class Outsider:
    """A model in float64 without dropout, a batch, and its loss as a function.

    Attributes:
        model: In training mode; a copy for each call of `copy`.
        inputs: By the names of the model's arguments.
        labels: What the loss compares outputs with.
        loss: Of a `Task`.
        hidden: A parameter to attack.
        words: Argument that takes the vectors of tokens in place of ``input_ids``; of models without, "".
    """

    model: nn.Module
    inputs: Mapping[str, Tensor]
    labels: Tensor
    hidden: str
    loss: Callable[..., Tensor] = F.cross_entropy
    words: str = ""

    def copy(self) -> nn.Module:
        return deepcopy(self.model)

    def batch(self, form: str) -> Any:
        from transformers import BatchEncoding

        if form == "tuple":
            names = [*inspect.signature(self.model.forward).parameters]
            places = names[: 1 + max(names.index(name) for name in self.inputs)]
            values = [self.inputs.get(name) for name in places]
            return (values[0] if len(values) == 1 else values), self.labels
        if form == "mapping":
            return dict(self.inputs), self.labels
        return BatchEncoding({**self.inputs, "labels": self.labels})

    def method(self, name: str, **hyperparameters: Any) -> dropattack.Method[Any]:
        generator = torch.Generator().manual_seed(7)
        task = dropattack.Task(loss=self.loss, generator=generator)
        return dropattack.create(name, task=task, **hyperparameters)

    @property
    def point(self) -> Tensor:
        """The clean value of what ``input`` stands for."""
        if self.words:
            embedding: Any = self.model.get_input_embeddings()  # type: ignore[operator]
            vectors: Tensor = embedding.weight.detach()[self.inputs["input_ids"]]
            return vectors * self.kept
        (point,) = (value for value in self.inputs.values() if value.is_floating_point())
        return point

    @property
    def kept(self) -> Tensor:
        """Ones where a token is a word."""
        return self.inputs["attention_mask"][..., None].double()

    def gradients(
        self, parameters: Mapping[str, Tensor], shift: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Gradients of the loss by all parameters, and by the input, at parameters and input + shift."""
        leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
        by = torch.zeros_like(self.point) if shift is None else shift.detach().clone()
        by.requires_grad_()
        kwargs = dict(self.inputs)
        if self.words:
            name = next(n for n, p in self.model.named_parameters() if p is self._embedding.weight)
            kwargs[self.words] = leaves[name][kwargs.pop("input_ids")] + by
        else:
            (name,) = (name for name, value in kwargs.items() if value.is_floating_point())
            kwargs[name] = kwargs[name] + by
        outputs = functional_call(self.copy(), leaves, (), kwargs)
        loss = self.loss(getattr(outputs, "logits", outputs), self.labels)
        *found, last = torch.autograd.grad(loss, [*leaves.values(), by])
        return dict(zip(leaves, found, strict=True)), last * self.kept if self.words else last

    @property
    def _embedding(self) -> Any:
        return self.model.get_input_embeddings()  # type: ignore[operator]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.block = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        logits: Tensor = self.fc((x + torch.tanh(self.block(x))).mean((2, 3)))
        return logits


class Table(nn.Module):
    """Numbers, and the ids of kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds = nn.Embedding(5, 3)
        self.hidden = nn.Linear(7, 6)
        self.last = nn.Linear(6, 1)

    def forward(self, kind: Tensor, numbers: Tensor) -> Tensor:
        joined = torch.cat([numbers, self.kinds(kind)], 1)
        logits: Tensor = self.last(torch.tanh(self.hidden(joined))).squeeze(1)
        return logits


class Signal(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3)
        self.fc = nn.Linear(4, outputs)

    def forward(self, signal: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.conv(signal)).mean(2)).squeeze(1)
        return logits


NAMES = ("bert", "gpt2", "residual", "table", "signal", "regression")
"""Of `outsider`."""


@cache
def outsider(name: str) -> Outsider:
    transformers = vision.transformers()
    torch.manual_seed(0)
    ids = torch.randint(1, 30, (4, 6))
    mask = (torch.arange(6) < torch.tensor([6, 3, 4, 2])[:, None]).long()
    texts = {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}
    classes = torch.arange(4) % 3
    if name == "bert":
        still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 3}
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
        config = transformers.BertConfig(vocab_size=30, max_position_embeddings=8, **sizes, **still)
        made = transformers.BertForSequenceClassification(config)
        return Outsider(_ready(made), texts, classes, "classifier.weight", words="inputs_embeds")
    if name == "gpt2":
        still = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "use_cache": False}
        sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8}
        ends = {"bos_token_id": 0, "eos_token_id": 0}
        made = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=30, **sizes, **still, **ends))
        labels = ids.masked_fill(mask == 0, -100)
        return Outsider(
            _ready(made), texts, labels, "transformer.h.0.attn.c_attn.weight", next_word, "inputs_embeds"
        )
    if name == "residual":
        return Outsider(_ready(Residual()), {"x": _drawn(4, 3, 5, 5)}, classes, "block.weight")
    if name == "table":
        inputs = {"kind": torch.tensor([0, 4, 2, 1]), "numbers": _drawn(4, 4)}
        weighted = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0))
        return Outsider(_ready(Table()), inputs, torch.tensor([0.0, 1, 1, 0]), "hidden.weight", weighted)
    if name == "signal":
        return Outsider(_ready(Signal(3)), {"signal": _drawn(4, 2, 7)}, classes, "conv.weight")
    return Outsider(_ready(Signal(1)), {"signal": _drawn(4, 2, 7)}, _drawn(4), "conv.weight", F.mse_loss)


def next_word(outputs: Any, labels: Tensor) -> Tensor:
    """Cross entropy of each word that follows another."""
    logits = getattr(outputs, "logits", outputs)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def _ready(model: nn.Module) -> nn.Module:
    return model.double().train()


def _drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)
