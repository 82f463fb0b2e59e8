"""Pretrained transformers of texts: their own tokens, their own weights. Needs the extra ``transformers``."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import Settings, UsageError, setting
from dropattack.errors import first_line
from trainables import vision
from trainables.data import files
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import PADDING, TextSplit
from trainables.datasets.texts import TextDataset
from trainables.digest import digest

_VERSION = 1
_NAMES = ("train", "valid", "test")
_WEIGHTS = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Files of a pretrained model that are read; never a pickle."""


@dataclass(frozen=True, kw_only=True)
class TokenSettings(Settings):
    """How texts become a pretrained model's tokens."""

    pretrained: str = setting("", "Folder of a pretrained model, or its name at Hugging Face.")
    longest: int = setting(128, "Tokens kept of each text, from its start.", low=1)


class Tokenized(Dataset):
    """The texts of another dataset in the tokens of a pretrained model.

    Args:
        texts: Such as `Texts`, or any that ships.
        pretrained: Folder of the model, or its name at Hugging Face; the default of ``data.pretrained``.
        longest: Tokens kept of each text; the default of ``data.longest``.
        name: See `Dataset`; that of the texts unless told.
    """

    words = True

    def __init__(
        self, texts: TextDataset, pretrained: str | Path = "", longest: int = 128, name: str = ""
    ) -> None:
        self.name = name or texts.name
        self.positive, self.grouped = texts.positive, texts.grouped
        self._texts = texts
        self._reading = texts.settings_type(vectors="")
        defaults = [
            (
                "pretrained",
                str,
                setting(str(pretrained), "Folder of the model, or its name at Hugging Face."),
            ),
            ("longest", int, setting(longest, "Tokens kept of each text, from its start.", low=1)),
        ]
        self.settings_type = make_dataclass(
            "TokenSettings", defaults, bases=(TokenSettings,), frozen=True, kw_only=True
        )

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        assert isinstance(settings, TokenSettings)
        corpus = self._texts.corpus_digest(root, self._reading)
        model = _content(_folder(settings.pretrained))
        return digest(self.name, _VERSION, corpus, model, settings.longest)

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        assert isinstance(settings, TokenSettings)
        content = self.checksum(root, settings)
        folder = _folder(settings.pretrained)
        entry = cached(self.name, content, lambda: self._encode(root, settings, folder))
        train, valid, test = (
            TextSplit(entry[f"{name}_tokens"], entry[f"{name}_lengths"], entry[f"{name}_labels"])
            for name in _NAMES
        )
        return Data(
            train,
            valid,
            test,
            classes=self._texts.classes_of(root, self._reading),
            checksum=content,
            positive=self._texts.positive_of(root, self._reading),
            extras={"configuration": entry["configuration"], "pad": entry["pad"], "pretrained": str(folder)},
            facts=entry["facts"],
            groups=self._texts.groups_of(root, self._reading),
        )

    @override
    def incomplete(self, root: Path, settings: Settings) -> str:
        """See `Dataset.incomplete`; of the texts."""
        return self._texts.incomplete(root, self._reading)

    def _encode(self, root: Path, settings: TokenSettings, folder: Path) -> Encoded:
        corpus, facts = self._texts.documents(root, self._reading)
        with _quietly() as library:
            tokenizer = _read(library.AutoTokenizer.from_pretrained, folder)
            configuration = _read(library.AutoConfig.from_pretrained, folder)
        pad = tokenizer.pad_token_id
        entry: Encoded = {
            "configuration": configuration.to_json_string(),
            "pad": 0 if pad is None else int(pad),
            "facts": facts,
        }
        for name, part in zip(_NAMES, corpus, strict=True):
            ids = tokenizer(list(part.texts), truncation=True, max_length=settings.longest)["input_ids"]
            lengths = torch.tensor([len(tokens) for tokens in ids])
            tokens = torch.full((len(ids), int(lengths.max())), PADDING, dtype=torch.int32)
            for row, own in zip(tokens, ids, strict=True):
                row[: len(own)] = torch.tensor(own, dtype=torch.int32)
            entry |= {
                f"{name}_tokens": tokens,
                f"{name}_lengths": lengths,
                f"{name}_labels": torch.tensor(part.labels),
            }
        return entry


class Transformer(nn.Module):
    """A transformer for classifying, called with token ids ``[batch, longest]`` and lengths ``[batch]``.

    Args:
        model: Takes ``input_ids`` and ``attention_mask``, and gives something that has ``logits``.
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
        adapt: Changes the model before it trains, such as PEFT's ``lambda model: get_peft_model(model,
            LoraConfig(target_modules=["query", "value"]))``: what trains then are targets, and what is frozen
            is none.

    Returns:
        A function for ``Workload(model=…)``, with the setting ``pretrained``: whether weights are the
        pretrained ones, or drawn.
    """

    def build(data: Data, pretrained: bool = True) -> nn.Module:
        if "configuration" not in data.extras:
            raise UsageError("a transformer needs a dataset that is Tokenized")
        with _quietly() as library:
            stated = json.loads(data.extras["configuration"])
            kind = library.AutoConfig.for_model(stated.pop("model_type"), **stated)
            kind.num_labels = data.classes
            folder = Path(data.extras["pretrained"])
            if pretrained and len(data.train):  # a saved model brings its own weights, and no examples
                model = _read(_classifier(library).from_pretrained, folder, config=kind)
            else:
                model = _classifier(library).from_config(kind)
        return Transformer(model if adapt is None else adapt(model), data.extras["pad"])

    return build


def _classifier(library: Any) -> Any:
    return library.AutoModelForSequenceClassification


@contextmanager
def _quietly() -> Iterator[Any]:
    """The library, which does not say what weights it makes anew."""
    transformers: Any = vision.transformers()
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        transformers.logging.set_verbosity(before)


def _folder(pretrained: str) -> Path:
    """Where a pretrained model's files lie; those of a name are fetched first, once a machine."""
    if not pretrained:
        raise UsageError("name a pretrained model: data.pretrained=FOLDER, or its name at Hugging Face")
    if Path(pretrained).is_dir():
        return Path(pretrained)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(pretrained, allow_patterns=list(_WEIGHTS)))
    except ImportError as error:
        raise UsageError("transformers is not installed; pip install 'dropattack[transformers]'") from error
    except Exception as error:  # the library's own, and those of what it connects with
        raise UsageError(
            f"there is no folder {pretrained}, and Hugging Face does not give it ({first_line(error)})"
        ) from error


def _content(folder: Path) -> str:
    """Digest of what a pretrained model is read from."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        found.update(f"{path.name} {files.content_digest(path)}\n".encode())
    return found.hexdigest()


def _read(load: Callable[..., Any], folder: Path, **options: Any) -> Any:
    try:
        return load(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # of many kinds, by what is missing or damaged
        raise UsageError(f"{folder} is no pretrained model that can be read ({first_line(error)})") from error
