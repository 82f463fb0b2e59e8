"""Data sets of Hugging Face in folders that the library itself wrote, beside the same data in plain files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dropattack import UsageError
from search.console.begun import begin
from trainables import Data, Dataset, HuggingFace, ImageFolder, Table, Texts, Tokenized, vision

LABELS = ["neg", "pos"]


def loaded(dataset: Dataset, root: Path) -> Data:
    return dataset.load(root, dataset.settings_type())


def reviews(start: int, count: int) -> dict[str, list[Any]]:
    numbers = range(start, start + count)
    return {
        "text": [f"word{i} and word{i % 7}" for i in numbers],
        "label": [i % 2 for i in numbers],
        "stars": [float(i % 5) for i in numbers],
        "town": ["Oslo" if i % 3 else "Rome" for i in numbers],
        "author": [f"a{i % 3}" for i in numbers],
    }


def saved(root: Path, how: str, **splits: dict[str, list[Any]]) -> str:
    """A folder of these splits, as the library saves it or as parquet files."""
    library: Any = vision.datasets()
    library.disable_progress_bars()
    label = library.ClassLabel(names=LABELS)
    made = {
        name: library.Dataset.from_dict(part).cast_column("label", label) for name, part in splits.items()
    }
    folder = root / "reviews"
    if how == "saved":
        library.DatasetDict(made).save_to_disk(folder)
    elif how == "files":
        folder.mkdir()
        for name, part in made.items():
            part.to_parquet(folder / f"{name}-00000-of-00001.parquet")
    else:
        for name, part in made.items():
            (folder / "data" / name).mkdir(parents=True)
            part.to_parquet(folder / "data" / name / "0000.parquet")
    return "reviews"


@pytest.fixture(params=["saved", "files", "folders"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> HuggingFace:
    parts = {"train": reviews(0, 40), "validation": reviews(40, 10), "test": reviews(50, 10)}
    return HuggingFace(saved(tmp_path, request.param, **parts))


def test_texts_are_those_of_a_csv_file_that_names_the_splits(source: HuggingFace, tmp_path: Path) -> None:
    table = pd.DataFrame(reviews(0, 60)).assign(split=["train"] * 40 + ["valid"] * 10 + ["test"] * 10)
    table["label"] = [LABELS[i] for i in table["label"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    data, plain = (
        loaded(source.texts(groups="author"), tmp_path),
        loaded(Texts("t.csv", split="split", groups="author"), tmp_path),
    )
    assert data.extras["labels"] == LABELS
    assert [len(split) for split in (data.train, data.valid, data.test)] == [40, 10, 10]
    for split in ("train", "valid", "test"):
        for name in ("tokens", "lengths", "labels"):
            assert torch.equal(getattr(getattr(data, split), name), getattr(getattr(plain, split), name))
    assert data.groups is not None
    assert plain.groups is not None
    assert torch.equal(data.groups.train, plain.groups.train)


def test_a_table_is_that_of_a_csv_file(source: HuggingFace, tmp_path: Path) -> None:
    table = pd.DataFrame(reviews(0, 60)).assign(split=["train"] * 40 + ["valid"] * 10 + ["test"] * 10)
    table["label"] = [LABELS[i] for i in table["label"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    data = loaded(source.table(label="label", drop=["text", "author"], positive="pos"), tmp_path)
    plain = loaded(Table("t.csv", label="label", drop=["text", "author"], split="split"), tmp_path)
    assert data.extras["columns"] == plain.extras["columns"] == ["stars", "town=Oslo", "town=Rome"]
    assert data.positive == 1
    (inputs, labels), (same, known) = (next(d.test.batches(10)) for d in (data, plain))
    assert torch.equal(inputs, same)
    assert torch.equal(labels, known)


def test_texts_go_into_a_models_tokens_too(source: HuggingFace, tmp_path: Path) -> None:
    begin("transformer", tmp_path / "begun")
    data = loaded(Tokenized(source.texts(), tmp_path / "begun" / "small-bert"), tmp_path)
    assert len(data.train) == 40
    assert "configuration" in data.extras


@pytest.mark.parametrize("splits", [["train"], ["train", "test"], ["train", "unsupervised"]])
def test_splits_that_it_has_not_are_dealt_from_training(tmp_path: Path, splits: list[str]) -> None:
    parts = {name: reviews(100 * i, 40 if name == "train" else 10) for i, name in enumerate(splits)}
    found = HuggingFace(saved(tmp_path, "saved", **parts))
    for data in (loaded(found.texts(), tmp_path), loaded(found.table("label", drop=["text"]), tmp_path)):
        sizes = [len(split) for split in (data.train, data.valid, data.test)]
        assert sizes == ([32, 8, 10] if "test" in splits else [24, 8, 8])


def test_images_are_those_of_a_folder(tmp_path: Path) -> None:
    library: Any = vision.datasets()
    library.disable_progress_bars()
    draw = np.random.default_rng(0)
    rows: dict[str, dict[str, list[Any]]] = {}
    for split, count in (("train", 8), ("test", 4)):
        part: dict[str, list[Any]] = {"image": [], "label": []}
        for i in range(count):
            folder = tmp_path / "plain" / split / LABELS[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(draw.integers(0, 255, (9, 7, 3), dtype=np.uint8))
            image.save(folder / f"{i:02}.png")
            content = io.BytesIO()
            image.save(content, "png")
            part["image"].append({"bytes": content.getvalue(), "path": None})
            part["label"].append(i % 2)
        rows[split] = part
    features = library.Features(image=library.Image(), label=library.ClassLabel(names=LABELS))
    made = {name: library.Dataset.from_dict(part, features=features) for name, part in rows.items()}
    library.DatasetDict(made).save_to_disk(tmp_path / "pictures")
    data = loaded(HuggingFace("pictures").images(size=5), tmp_path)
    plain = loaded(ImageFolder("plain", 5), tmp_path)
    assert data.extras["labels"] == plain.extras["labels"] == LABELS
    assert data.shape == (3, 5, 5)
    for split in ("train", "valid", "test"):
        one, other = (
            {(image.numpy().tobytes(), int(label)) for image, label in zip(s.images, s.labels, strict=True)}
            for s in (getattr(data, split), getattr(plain, split))
        )
        if split == "test":
            assert one == other
        assert len(one) == len(other)


def test_an_edit_is_other_data_and_another_place_is_not(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "edited").mkdir()
    for place, start in (("", 0), ("other", 0), ("edited", 1)):
        saved(tmp_path / place, "files", train=reviews(start, 40))
    found = {}
    for place in ("", "other", "edited"):
        made = HuggingFace("reviews")
        kinds = (made.texts(), made.table("label", drop=["text"]))
        found[place] = [kind.checksum(tmp_path / place, kind.settings_type()) for kind in kinds]
    assert found[""] == found["other"]
    assert set(found[""]).isdisjoint(found["edited"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("name", "there is no folder .*, and Hugging Face cannot be reached for 'no/such-data'"),
        ("empty", "holds neither parquet files nor what save_to_disk writes"),
        ("damaged", "cannot be read as a data set"),
        ("column", "unknown column of reviews 'txt'; did you mean 'text'"),
        ("no train", "reviews has no split train; it has test"),
        ("unlabelled", "reviews, test has an example without a label"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, message: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(vision.datasets().config, "HF_HUB_OFFLINE", True)
    source, options = "reviews", {}
    if how == "name":
        source = "no/such-data"
    elif how in ("empty", "damaged"):
        (tmp_path / "reviews").mkdir()
        if how == "damaged":
            (tmp_path / "reviews" / "train.parquet").write_bytes(b"no parquet")
    elif how == "unlabelled":
        hidden = {**reviews(40, 10), "label": [-1] * 10}
        saved(tmp_path, "saved", train=reviews(0, 40), test=hidden)
    else:
        saved(tmp_path, "saved", **{"test" if how == "no train" else "train": reviews(0, 40)})
        options = {"text": "txt"} if how == "column" else {}
    with pytest.raises(UsageError, match=message) as caught:
        loaded(HuggingFace(source).texts(**options), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its libraries would ask six times; data that were fetched before are read all the same."""
    import huggingface_hub
    from huggingface_hub import constants

    library, asked = vision.datasets(), list[str]()
    offline: list[tuple[bool, bool]] = []

    def info(self: object, name: str, timeout: float) -> None:
        asked.append(name)
        assert timeout < 10
        raise ConnectionError("Name or service not known")

    def load(name: str, configuration: str | None) -> Any:
        offline.append((constants.HF_HUB_OFFLINE, library.config.HF_HUB_OFFLINE))
        if name == "fetched/before":
            return {"train": library.Dataset.from_dict(reviews(0, 40))}
        raise FileNotFoundError("not in the cache")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(library, "load_dataset", load)
    with pytest.raises(
        UsageError, match=r"cannot be reached for 'no/data' \(Name or service not known\); name a"
    ):
        loaded(HuggingFace("no/data").texts(), tmp_path)
    assert len(loaded(HuggingFace("fetched/before").texts(), tmp_path).train) > 0
    assert asked == ["no/data", "fetched/before"]
    assert offline == [(True, True)] * 2
    assert not constants.HF_HUB_OFFLINE
    assert not library.config.HF_HUB_OFFLINE


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UsageError, match=r"datasets is not installed; pip install 'dropattack\[datasets\]'"):
        loaded(HuggingFace("reviews").texts(), tmp_path)
