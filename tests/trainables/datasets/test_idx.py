"""MNIST's files: what is missing or broken is named, and nothing half-written stays behind."""

import gzip
import shutil
from pathlib import Path

import pytest
import torch

from dropattack import Settings, UsageError
from trainables.datasets.idx import MNIST
from trainables.disk import cache_root

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def copy(data_root: Path, tmp_path: Path, empty_cache: None) -> Path:
    """A data root of one's own, with an empty cache beside it."""
    (tmp_path / "MNIST").mkdir()
    shutil.copytree(data_root / "MNIST" / "raw", tmp_path / "MNIST" / "raw", copy_function=shutil.copyfile)
    return tmp_path


def refused(root: Path, message: str) -> None:
    for act in (MNIST.checksum, MNIST.load):
        with pytest.raises(UsageError, match=message) as caught:
            act(root, Settings())
        assert "\n" not in str(caught.value)
    assert not list(cache_root().glob("*.pt"))


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is missing \(there is no .*nowhere\)"):
        MNIST.checksum(tmp_path / "nowhere", Settings())


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "MNIST/raw" / IMAGES).unlink()
    refused(copy, f"{IMAGES} is missing; run `dropattack data fetch mnist")


def test_a_truncated_file_is_named(copy: Path) -> None:
    path = copy / "MNIST/raw" / IMAGES
    path.write_bytes(path.read_bytes()[:100_000])
    refused(copy, f"{IMAGES} is truncated")


def test_an_empty_file_is_named(copy: Path) -> None:
    (copy / "MNIST/raw" / IMAGES).write_bytes(b"")
    refused(copy, f"{IMAGES} is empty")


def test_changed_content_is_told_by_its_checksum(copy: Path) -> None:
    path = copy / "MNIST/raw" / IMAGES
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(content), 1))
    refused(copy, f"{IMAGES} is corrupted: its content has sha256 [0-9a-f]{{64}}, not ba891046")


def test_the_splits_hold_every_image_once(data_root: Path) -> None:
    data = MNIST.load(data_root, Settings())
    assert [len(split) for split in (data.train, data.valid, data.test)] == [50_000, 10_000, 10_000]
    raw = gzip.decompress((data_root / "MNIST/raw" / IMAGES).read_bytes())[16:]
    original = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(60_000, -1)
    loaded = torch.cat([data.train.images, data.valid.images]).flatten(1)
    weights = torch.randint(1, 10_000, (784,), generator=torch.Generator().manual_seed(0))
    assert torch.equal((original.long() @ weights).sort()[0], (loaded.long() @ weights).sort()[0])
    assert (
        data.train.labels.bincount()
        .float()
        .div(data.valid.labels.bincount())
        .allclose(torch.tensor(5.0), atol=0.02)
    )
