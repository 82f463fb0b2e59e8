"""A corpus of one's own, in CSV files."""

from pathlib import Path

import pytest

from dropattack import UsageError
from tests.trainables.datasets.corpora import PLAIN, words
from trainables.data.text import TextSettings
from trainables.datasets.csvtext import CsvTexts
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_a_corpus_of_ones_own_gives_up_what_its_test_file_holds(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    files = {"train": "abccdef", "valid": "agh", "test": "bi"}
    for name, texts in files.items():
        rows = "".join(f"{said},{'abcdefghi'.index(said) % 2}\n" for said in texts)
        (tmp_path / "texts" / f"{name}.csv").write_text(f"text,label\n{rows}")
    data = CsvTexts().load(tmp_path, TextSettings(**PLAIN))
    assert sorted(words(data)) == ["<pad>", "<unk>", "c", "d", "e", "f"]
    counts = {name: data.facts[name] for name in ("train_left_out", "valid_left_out", "train_repeated")}
    assert counts == {"train_left_out": 2, "valid_left_out": 0, "train_repeated": 1}
    (tmp_path / "texts" / "valid.csv").write_text("text,label\na,0\nb,1\ni,0\n")
    with pytest.raises(
        UsageError, match="valid split has 1 texts of 1 classes, not of 2; 2 are also in another"
    ):
        CsvTexts().load(tmp_path, TextSettings(**PLAIN))


def test_a_corpus_of_ones_own_trains(tmp_path: Path) -> None:
    """Two classes told apart by one word: the bundled text workload learns them in a few epochs."""
    (tmp_path / "texts").mkdir()
    for name, rows in (("train", 200), ("valid", 40), ("test", 41)):
        lines = [f"some filler {name}{i} and {('bad', 'good')[i % 2]} words,{i % 2}\n" for i in range(rows)]
        (tmp_path / "texts" / f"{name}.csv").write_text("text,label\n" + "".join(lines))
    workload = workload_named("texts-bigru")
    trial = Trial.make(
        workload.name,
        "dropattack",
        {"targets": "Embedding+Gru.ih.w"},
        TrainingSettings(epochs=8, batch_size=16),
        seed=0,
        checksum=workload.checksum(tmp_path),
        model={"hidden": 16, "embedding_size": 8},
    )
    assert trial.hyperparameters["targets"] == "input+gru.ih.w"
    training = Training(trial, workload.load(tmp_path))
    while not training.finished:
        metrics = training.epoch()
    assert metrics["test_accuracy"] > 0.95
    assert sum(map(sum, training.confusion)) == 41
