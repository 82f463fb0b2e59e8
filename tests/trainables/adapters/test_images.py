"""A user's folders of images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dropattack import Settings, UsageError
from trainables import Data, ImageFolder, vision, workload_named

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


def painted(folder: Path, count: int = 5, size: tuple[int, int] = (12, 8)) -> None:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", size, colour).save(folder / name / f"{number}.png")


def loaded(root: Path, **options: int) -> Data:
    return ImageFolder("pictures", **{"size": 4, **options}).load(root, Settings())


def test_images_are_dealt_scaled_and_known_by_their_folder(tmp_path: Path) -> None:
    painted(tmp_path / "pictures")
    (tmp_path / "pictures" / "red" / "._0.png").write_bytes(b"no image")
    (tmp_path / "pictures" / "red" / "notes.txt").write_text("no image")
    data = loaded(tmp_path)
    assert (data.shape, data.classes, data.extras["labels"]) == ((3, 4, 4), 2, ["blue", "red"])
    assert [len(split) for split in (data.train, data.valid, data.test)] == [6, 2, 2]
    for split in (data.train, data.valid, data.test):
        for images, labels in split.batches(10):
            assert images.shape[1:] == (3, 4, 4)
            assert torch.equal(images[:, 0].mean((1, 2)), labels.float())
            assert torch.equal(images[:, 2].mean((1, 2)), 1 - labels.float())


def test_folders_may_be_splits(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "val", "test"), 2):
        painted(tmp_path / "pictures" / split, count=number)
    data = loaded(tmp_path, channels=1)
    assert [len(split) for split in (data.train, data.valid, data.test)] == [4, 6, 8]
    assert data.shape == (1, 4, 4)


def test_the_middle_of_an_image_is_kept(tmp_path: Path) -> None:
    painted(tmp_path / "pictures")
    pixels = np.zeros((4, 12, 3), dtype=np.uint8)
    pixels[:, 4:8] = 255
    for path in (tmp_path / "pictures" / "red").iterdir():
        Image.fromarray(pixels).save(path)
    data = loaded(tmp_path)
    images, labels = next(data.train.batches(100))
    assert images[labels == 1].min() == 1


def test_an_image_that_changes_changes_the_checksum(tmp_path: Path) -> None:
    painted(tmp_path / "pictures")
    before = loaded(tmp_path).checksum
    assert loaded(tmp_path, size=5).checksum != before
    Image.new("RGB", (12, 8), (1, 2, 3)).save(tmp_path / "pictures" / "red" / "0.png")
    assert loaded(tmp_path).checksum != before


def test_folders_without_images_and_broken_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        loaded(tmp_path)
    (tmp_path / "pictures" / "red").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no images as CLASS/IMAGE"):
        loaded(tmp_path)
    painted(tmp_path / "pictures")
    (tmp_path / "pictures" / "red" / "3.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(UsageError, match=r"red/3\.png cannot be read as an image"):
        loaded(tmp_path)


def test_sixteen_bits_are_scaled_and_thirty_two_are_refused(tmp_path: Path) -> None:
    painted(tmp_path / "pictures")
    grey = np.full((8, 8), 0x7F7F, dtype=np.uint16)
    for path in (tmp_path / "pictures" / "red").iterdir():
        Image.fromarray(grey).save(path)
    data = loaded(tmp_path)
    images, labels = next(data.train.batches(100))
    assert (images[labels == 1] * 255).round().unique().tolist() == [0x7F]
    Image.fromarray(np.full((8, 8), 70_000, dtype=np.int32)).save(tmp_path / "pictures" / "red" / "0.tif")
    with pytest.raises(UsageError, match=r"0\.tif has pixels of 32 bits; convert it"):
        loaded(tmp_path)


@pytest.mark.parametrize("size", ["24", (24, 24), 0, 2.5])
def test_a_size_is_a_number_of_pixels(size: object) -> None:
    with pytest.raises(UsageError, match="size must be a whole number of pixels"):
        ImageFolder("pictures", size=size)  # type: ignore[arg-type]


def test_the_size_is_a_setting_that_a_sweep_may_set(tmp_path: Path) -> None:
    painted(tmp_path / "pictures")
    made = ImageFolder("pictures", 4)
    assert made.settings_type().to_dict() == {"size": 4}
    for size in (4, 6):
        data = made.load(tmp_path, made.settings_type(size=size))
        assert data.shape == (3, size, size)
        assert data.checksum == ImageFolder("pictures", size).load(tmp_path, Settings()).checksum


def test_a_folder_of_images_trains_as_a_workload_that_ships(tmp_path: Path) -> None:
    painted(tmp_path / "images")
    workload = workload_named("images-resnet18")
    data = workload.load(tmp_path, {"size": 16})
    torch.manual_seed(0)
    model = workload.architecture.build(data)
    torch.manual_seed(0)
    same = vision.models().resnet18(num_classes=data.classes)
    inputs, _ = next(data.train.batches(2))
    assert torch.equal(model(inputs), same(inputs))
    assert list(workload.targets.values()) == [name for name, _ in same.named_parameters()]


def test_splits_are_mapped_from_the_cache_and_no_copies(tmp_path: Path) -> None:
    """So that trials on one node share their pages."""
    painted(tmp_path / "pictures", count=10)
    data = loaded(tmp_path)
    held = {split.images.untyped_storage().data_ptr() for split in (data.train, data.valid, data.test)}
    assert len(held) == 1
