"""CIFAR-10 in its layouts, on a small set of the same form."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dropattack import Settings, UsageError
from trainables.datasets.cifar10 import CIFAR10, CifarDataset
from trainables.disk import cache_root

PER_FILE = 20
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


@pytest.fixture
def small(tmp_path: Path, empty_cache: None) -> CifarDataset:
    """Six files of 20 images in both layouts below ``tmp_path``, and the dataset that expects them."""
    generator = np.random.default_rng(0)
    binary, pickled = {}, {}
    for folder in ("cifar-10-batches-bin", "cifar-10-batches-py"):
        (tmp_path / folder).mkdir()
    for name in NAMES:
        pixels = generator.integers(0, 256, (PER_FILE, 3072), dtype=np.uint8)
        labels = [i % 10 for i in range(PER_FILE)]
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1).tobytes()
        batch = pickle.dumps({b"data": pixels, b"labels": labels, b"batch_label": name}, protocol=4)
        (tmp_path / "cifar-10-batches-bin" / f"{name}.bin").write_bytes(records)
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(batch)
        binary[f"{name}.bin"] = hashlib.md5(records).hexdigest()
        pickled[name] = hashlib.md5(batch).hexdigest()
    return CifarDataset("cifar10", binary, pickled, valid=20)


def archive(root: Path, folder: str, name: str) -> None:
    with tarfile.open(root / name, "w:gz") as tar:
        tar.add(root / folder, folder)


def test_every_layout_gives_the_same_images(
    small: CifarDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path, "cifar-10-batches-bin", "cifar-10-binary.tar.gz")
    archive(tmp_path, "cifar-10-batches-py", "cifar-10-python.tar.gz")
    images = []
    for place in (
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        "cifar-10-binary.tar.gz",
        "cifar-10-python.tar.gz",
    ):
        root = tmp_path / f"only-{place}"
        root.mkdir()
        (root / place).symlink_to(tmp_path / place)
        monkeypatch.setenv("DROPATTACK_CACHE", str(root / "cache"))
        data = small.load(root, Settings())
        assert [len(split) for split in (data.train, data.valid, data.test)] == [80, 20, 20]
        assert data.train.images.shape[1:] == (3, 32, 32)
        assert data.train.labels.bincount().tolist() == [8] * 10
        images.append(torch.cat([data.train.images, data.valid.images, data.test.images]))
    assert all(torch.equal(images[0], other) for other in images[1:])


def test_pixels_keep_their_place(small: CifarDataset, tmp_path: Path) -> None:
    """The first record's bytes are its label, then red row by row, green and blue."""
    record = (tmp_path / "cifar-10-batches-bin/test_batch.bin").read_bytes()[:3073]
    test = small.load(tmp_path, Settings()).test
    assert test.labels[0] == record[0]
    assert test.images[0, 2, 5, 7] == record[1 + 2 * 1024 + 5 * 32 + 7]


def test_a_changed_file_is_named(small: CifarDataset, tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-batches-bin/data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    for act in (small.checksum, small.load):
        with pytest.raises(UsageError, match=r"data_batch_3\.bin is corrupted: its content has md5"):
            act(tmp_path, Settings())
    path.unlink()
    with pytest.raises(UsageError, match=r"data_batch_3\.bin is missing"):
        small.load(tmp_path, Settings())
    assert not list(cache_root().glob("*.pt"))


def test_a_pickle_that_would_run_code_is_not_run(small: CifarDataset, tmp_path: Path) -> None:
    """Even one whose checksum is the expected one."""

    class Evil:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    content = pickle.dumps({b"data": Evil(), b"labels": []})
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(content)
    trusting = CifarDataset(
        "cifar10", small.binary, {**small.pickled, "test_batch": hashlib.md5(content).hexdigest()}
    )
    for path in (tmp_path / "cifar-10-batches-bin").iterdir():
        path.unlink()
    (tmp_path / "cifar-10-batches-bin").rmdir()
    with pytest.raises(pickle.UnpicklingError, match="does not belong there"):
        trusting.checksum(tmp_path, Settings())
    assert not (tmp_path / "ran").exists()


def test_nothing_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cifar-10-batches-bin is missing; run `dropattack"):
        CIFAR10.checksum(tmp_path, Settings())
