"""Texts as a transformer reads them: words of their own, and a model's tokens."""

from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.console.begun import begin
from trainables import Texts, Tokenized, Workload, transformer
from trainables.data import text
from trainables.datasets.imdb import Imdb
from trainables.datasets.pheme import Pheme

SPLITS = {
    "train": ["A good, good film", "a bad play", "good play", "bad"],
    "valid": ["unheard of", "good"],
    "test": ["film film film film film film", "not bad"],
}
LABELS = {"train": (1, 0, 1, 0), "valid": (0, 1), "test": (1, 0)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = [
        f'"{said}",{label},{split}'
        for split, texts in SPLITS.items()
        for said, label in zip(texts, LABELS[split], strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["text,label,split", *rows]), encoding="utf-8")
    return tmp_path


def test_words_of_the_training_texts_follow_a_token_that_stands_for_the_whole_text(root: Path) -> None:
    made = Tokenized(Texts("t.csv", split="split"), longest=4)
    data = made.load(root, made.settings_type())
    words = text.words(data.extras)
    assert words[:2] == ["<unk>", "<pad>"]
    assert set(words[2:-1]) == {"a", "good", ",", "film", "bad", "play"}
    assert len(words) == data.extras["vocabulary_size"]
    (tokens, lengths), _ = data.train.take(data.train.labels.new_tensor([0, 1]))
    read = [
        [words[i] for i in row[:length]]
        for row, length in zip(tokens.tolist(), lengths.tolist(), strict=True)
    ]
    assert read == [["[CLS]", "a", "good", ","], ["[CLS]", "a", "bad", "play"]]
    (tokens, lengths), _ = data.test.take(data.test.labels.new_tensor([0, 1]))
    assert [words[i] for i in tokens[1, : lengths[1]]] == ["[CLS]", "<unk>", "bad"]
    assert lengths.max() == 4


@pytest.mark.parametrize(
    ("texts", "own"),
    [(Pheme(), {"threads": "source", "held_out": ""}), (Imdb(), {"split": "paper"}), (Texts("t.csv"), {})],
)
def test_what_texts_are_read_as_stays_a_setting_and_how_words_are_encoded_does_not(
    texts: Any, own: dict[str, Any]
) -> None:
    settings = Tokenized(texts, longest=7).settings_type()
    assert settings.to_dict() == {"pretrained": "", "longest": 7, **own}
    assert settings.stated() == {}
    for name in own.keys() - {"held_out"}:
        with pytest.raises(UsageError, match=f"value of {name}"):
            Tokenized(texts).settings_type(**{name: "other"})


def test_where_a_model_lies_is_no_part_of_what_a_trial_is_called(root: Path) -> None:
    """What its files say is, by the checksum: a folder that was moved names no other trials."""
    texts = Texts("t.csv", split="split")
    made = [Tokenized(texts, root / place / "small-bert") for place in ("here", "there")]
    assert [each.settings_type().to_dict() for each in made] == [{"pretrained": "", "longest": 128}] * 2


def test_targets_are_those_of_the_model_that_a_sweep_names(root: Path, monkeypatch: Any) -> None:
    from trainables import vision

    library: Any = vision.transformers()
    monkeypatch.setenv("DROPATTACK_DATA", str(root))
    begin("transformer", root / "begun")
    small = root / "begun" / "small-bert"
    deeper = library.AutoConfig.from_pretrained(small)
    deeper.num_hidden_layers = 3
    library.BertForSequenceClassification(deeper).save_pretrained(root / "deeper")
    library.AutoTokenizer.from_pretrained(small).save_pretrained(root / "deeper")
    made = Workload("t", dataset=Tokenized(Texts("t.csv", split="split"), small), model=transformer())
    for options, layers in ((None, 2), ({"pretrained": str(root / "deeper")}, 3), ({"longest": 5}, 2)):
        model = made.model_settings({}, options)
        assert len(made.canonical_targets("*.query.weight", model).split("+")) == layers
    assert made.model_settings({}, {"longest": 5}) == made.model_settings({}, {"longest": 5})
