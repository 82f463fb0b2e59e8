"""Transformers of texts, pretrained or from a configuration. Needs the extra ``transformers``."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import INPUT, Settings, UsageError, setting
from dropattack.errors import first_line
from trainables import vision
from trainables.adapters.pretrained import folder_of, quietly, read
from trainables.adapters.tokenized import TokenSettings
from trainables.architecture import Architecture
from trainables.data.dataset import Data


class Transformer(nn.Module):
    """A transformer that classifies, called with token ids ``[batch, longest]`` and lengths ``[batch]``.

    Args:
        model: Takes ``input_ids`` and ``attention_mask``, and returns an object with ``logits``.
        pad: The model's own token of padding.
    """

    def __init__(self, model: nn.Module, pad: int) -> None:
        super().__init__()
        self.model = model
        self._pad = pad

    @override
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits ``[batch, classes]``."""
        ends = lengths.to(tokens.device, non_blocking=True)[:, None]
        inside = torch.arange(tokens.shape[1], device=tokens.device) < ends
        outputs = self.model(input_ids=tokens.masked_fill(~inside, self._pad), attention_mask=inside.long())
        logits: Tensor = outputs.logits
        return logits


def transformer(adapt: Callable[[nn.Module], nn.Module] | None = None) -> Callable[..., nn.Module]:
    """The model of a `Workload` whose dataset is `Tokenized`: the pretrained one with a new last layer.

    Args:
        adapt: Changes the model before it trains, for example by another of PEFT's configurations: ``lambda
            model: get_peft_model(model, IA3Config(task_type="SEQ_CLS"))``. Parameters that then train are
            targets; frozen ones are not.

    Returns:
        A function for ``Workload(model=…)`` with two settings. ``pretrained``: whether weights are the
        pretrained ones, or drawn. ``lora``: the rank of adapters (Hu et al., 2022) in PEFT's places for this
        kind of model; only they and the last layer then train. 0 is for none; more needs the extra ``peft``.
    """

    def build(data: Data, pretrained: bool = True, lora: int = 0) -> nn.Module:
        if "configuration" not in data.extras:
            raise UsageError(
                "a transformer needs the tokens of a pretrained model: dataset=Tokenized(texts, FOLDER), or "
                "data.pretrained=FOLDER"
            )
        model = _from_files(data, pretrained)
        model = _with_adapters(model, lora) if lora else model
        return Transformer(model if adapt is None else adapt(model), data.extras["pad"])

    return build


@dataclass(frozen=True, kw_only=True)
class TransformerArchitecture(Architecture):
    """Sizes of a BERT that starts from drawn weights; a pretrained model, see `Tokenized`, has its own.

    Parameters have the library's names: ``model.bert.encoder.layer.0.attention.self.query.weight``.

    Attributes:
        pretrained: Folder or name of the pretrained model that the data are encoded for; empty for none.
    """

    pretrained: ClassVar[str] = ""
    hidden: int = setting(128, "Width of the hidden state; a multiple of the heads.", low=1)
    layers: int = setting(2, "Layers.", low=1)
    heads: int = setting(2, "Heads of attention of each layer.", low=1)
    dropout: float = setting(0.1, "Dropout of hidden states and attention.", low=0, high=1)

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden % self.heads:
            raise UsageError(f"hidden must be a multiple of heads, {self.heads}, not {self.hidden}")
        if type(self).pretrained and (sizes := self.stated()):
            raise UsageError(
                f"model.{next(iter(sizes))} is for a transformer that starts from drawn weights, and "
                "data.pretrained names one that has its own; leave it out"
            )

    @override
    def on(self, data: Settings) -> Architecture:
        """See `Architecture.on`; targets are those of the pretrained model that the data are encoded for."""
        assert isinstance(data, TokenSettings)
        return _pretrained(data.model)(**self.to_dict()) if data.model else self

    @override
    def check(self) -> None:
        """See `Architecture.check`."""
        vision.transformers()

    @override
    def build(self, data: Data) -> Transformer:
        if "configuration" in data.extras:
            return Transformer(_from_files(data, True), data.extras["pad"])
        with quietly() as library:
            sizes = library.BertConfig(
                vocab_size=data.extras["vocabulary_size"],
                hidden_size=self.hidden,
                num_hidden_layers=self.layers,
                num_attention_heads=self.heads,
                intermediate_size=4 * self.hidden,
                max_position_embeddings=data.extras["longest"],
                pad_token_id=data.extras["pad"],
                hidden_dropout_prob=self.dropout,
                attention_probs_dropout_prob=self.dropout,
                num_labels=data.classes,
            )
            model = _classifier(library).from_config(sizes)
        return Transformer(model, data.extras["pad"])

    @property
    @override
    def words(self) -> bool:
        """See `Architecture.words`."""
        return True

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        if type(self).pretrained:
            return _names(type(self).pretrained)
        encoder = "model.bert.encoder.layer"
        layers = [f"{encoder}.{i}.{part}" for i in range(self.layers) for part in _PARTS]
        both = [f"model.bert.embeddings.{_NORM}", *layers, "model.bert.pooler.dense", "model.classifier"]
        names = [f"{layer}.{kind}" for layer in both for kind in ("weight", "bias")]
        embeddings = [
            f"model.bert.embeddings.{kind}_embeddings.weight" for kind in ("position", "token_type")
        ]
        first = "model.bert.embeddings.word_embeddings.weight"
        return {INPUT: first, **{name: name for name in (*embeddings, *names)}}


_NORM = "LayerNorm"
_PARTS = (
    *(f"attention.{part}" for part in ("self.query", "self.key", "self.value", "output.dense")),
    f"attention.output.{_NORM}",
    "intermediate.dense",
    "output.dense",
    f"output.{_NORM}",
)
"""The parts of a layer of BERT, in its order."""


@cache
def _pretrained(name: str) -> type[TransformerArchitecture]:
    """The architecture whose targets are those of a pretrained model."""
    made = type("TransformerArchitecture", (TransformerArchitecture,), {"pretrained": name})
    return cast(type[TransformerArchitecture], made)


@cache
def _names(pretrained: str) -> Mapping[str, str]:
    """Targets of a pretrained model; its configuration alone is read."""
    with quietly() as library, torch.device("meta"):
        configuration = read(library.AutoConfig.from_pretrained, folder_of(pretrained))
        model = nn.ModuleDict({"model": _classifier(library).from_config(configuration)})
    first = next(n for n, module in model.named_modules() if isinstance(module, nn.Embedding))
    named = {name: name for name, _ in model.named_parameters() if name != f"{first}.weight"}
    return {INPUT: f"{first}.weight", **named}


def _from_files(data: Data, pretrained: bool) -> nn.Module:
    """The model that data are encoded for, with its weights or with drawn ones."""
    with quietly() as library:
        stated = json.loads(data.extras["configuration"])
        kind = library.AutoConfig.for_model(stated.pop("model_type"), **stated)
        kind.num_labels = data.classes
        model: nn.Module
        if pretrained and len(data.train):  # a saved model brings its own weights, and no examples
            model = read(_classifier(library).from_pretrained, Path(data.extras["pretrained"]), config=kind)
        else:
            model = _classifier(library).from_config(kind)
    return model


def _with_adapters(model: nn.Module, rank: int) -> nn.Module:
    """Freezes all but new adapters of a rank, whose product is scaled by 2, and the last layer."""
    library: Any = vision.peft()
    if rank < 1:
        raise UsageError(f"lora is a rank of at least 1, or 0 for no adapters, not {rank}")
    try:
        adapters = library.LoraConfig(task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank)
        found: nn.Module = library.get_peft_model(model, adapters)
    except ValueError as error:
        raise UsageError(f"PEFT has no places for adapters in this model ({first_line(error)})") from error
    return found


def _classifier(library: Any) -> Any:
    return library.AutoModelForSequenceClassification
