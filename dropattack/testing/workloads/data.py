"""A workload's data: their checksum follows them, splits share nothing, batches hold every example once."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch.utils._pytree import tree_leaves

from dropattack import Batch, UsageError
from dropattack.testing.workloads.cases import BATCH, WorkloadCases
from dropattack.testing.workloads.loading import loaded_elsewhere
from trainables.data.dataset import Data
from trainables.data.splits import Split

SPLITS = ("train", "valid", "test")


def digests(split: Split) -> list[bytes]:
    """A digest of every example with its label, in the order of the batches without a generator."""
    return [_digest(batch) for batch in split.batches(1)]


def _digest(batch: Batch) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for tensor in tree_leaves(batch):
        found.update(tensor.cpu().numpy().tobytes())
    return found.digest()


def equal(one: Batch, other: Batch) -> bool:
    """Whether two batches hold the same bits."""
    return all(map(torch.equal, tree_leaves(one), tree_leaves(other)))


def altered(path: Path, share: float) -> None:
    """Changes one byte of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)


class DataKept(WorkloadCases):
    """See the module.

    Attributes:
        repeated: Largest share of the examples of one split that may equal one of another split, in [0, 1],
            for data whose examples coincide after encoding.
    """

    repeated: ClassVar[float] = 0.0

    def test_the_checksum_follows_the_data(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is the same in another process, and changes with every file that is read."""
        checksum = self.found.checksum(root, self.options("data"))
        elsewhere = loaded_elsewhere(self.workload, root.resolve(), self.options("data"), tmp_path / "there")
        assert elsewhere.checksum == checksum, (
            "another process computes another checksum, so no recorded result would be found again; "
            "digest the data's content with `trainables.data.cache.digest`"
        )
        if elsewhere.files:
            with pytest.raises(UsageError) as caught:
                self.found.checksum(tmp_path / "nowhere", self.options("data"))
            assert "\n" not in str(caught.value)
        for number, name in enumerate(elsewhere.files):
            for share in (0.25, 0.5, 0.75):
                copy = tmp_path / f"{number}-{share}"
                for other in elsewhere.files:
                    (copy / other).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(root / other, copy / other)
                altered(copy / name, share)
                monkeypatch.setenv("DROPATTACK_CACHE", str(copy / "cache"))
                assert self._noticed(root, copy, checksum), (
                    f"a change of {name} gives other data of the same checksum; digest that file too"
                )
                shutil.rmtree(copy)

    def _noticed(self, root: Path, copy: Path, checksum: str) -> bool:
        """Whether changed files are refused, have another checksum, or yield the same data."""
        options = self.options("data")
        try:
            if self.found.checksum(copy, options) != checksum:
                return True
            now = self.found.load(copy, options)
        except UsageError:
            return True
        before = self.found.load(root, options)
        return all(digests(getattr(now, name)) == digests(getattr(before, name)) for name in SPLITS)

    def test_data_name_their_checksum(self, root: Path, whole: Data) -> None:
        assert whole.checksum
        assert whole.checksum == self.found.checksum(root, self.options("data"))

    def test_splits_are_apart(self, whole: Data) -> None:
        held = {name: digests(getattr(whole, name)) for name in SPLITS}
        for name, earlier in (("valid", ["train"]), ("test", ["train", "valid"])):
            known = set().union(*(held[other] for other in earlier))
            share = sum(example in known for example in held[name]) / len(held[name])
            assert share <= self.repeated, (
                f"{share:.2%} of the {name} examples are also in {' or '.join(earlier)}; "
                "keep the splits apart, or set `repeated` to the share that may coincide"
            )

    def test_labels_are_what_the_objective_takes(self, whole: Data) -> None:
        for name in SPLITS:
            split: Split = getattr(whole, name)
            assert len(split) > 0, f"the {name} split is empty"
            assert len(split.labels) == len(split)
            if not self.found.objective.classifies:
                self.found.objective.loss(split, whole, 0.0)  # refuses labels that it cannot take
                continue
            assert split.labels.dtype == torch.int64
            assert split.labels.shape == (len(split),)
            assert 0 <= int(split.labels.min()) <= int(split.labels.max()) < whole.classes, (
                f"labels of the {name} split must be 0 to {whole.classes - 1}"
            )
        assert whole.positive is None or 0 <= whole.positive < whole.classes

    def test_continuous_inputs_keep_to_their_bounds(self, whole: Data) -> None:
        if self.architecture.words:
            pytest.skip("texts have no bounds")
        low, high = whole.bounds
        for name in SPLITS:
            for inputs, _ in getattr(whole, name).batches(1000):
                first = inputs[0] if isinstance(inputs, tuple) else inputs
                assert first.is_floating_point()
                assert bool((first >= low).all() and (first <= high).all()), (
                    f"inputs of the {name} split lie outside `Data.bounds`, which attacks keep to"
                )

    @pytest.mark.parametrize("name", SPLITS)
    def test_batches_hold_every_example_once(self, few: Data, name: str) -> None:
        split: Split = getattr(few, name)
        shuffled = list(split.batches(BATCH, torch.Generator().manual_seed(1)))
        order = split.order(BATCH, torch.Generator().manual_seed(1))
        indices = sorted(int(i) for batch in order for i in batch)
        assert indices == list(range(len(split))), "`order` leaves out or repeats examples"
        assert max(map(len, order)) <= BATCH, "a batch holds more examples than requested"
        for batch, taken in zip(shuffled, order, strict=True):
            assert equal(batch, split.take(taken)), "`batches` differs from `take` of the same `order`"
            assert torch.equal(batch[1], split.labels[taken]), "`take` and `labels` differ"
        other = split.order(BATCH, torch.Generator().manual_seed(2))
        assert not all(map(torch.equal, order, other)), "the generator decides nothing"
        each = Counter(_digest(split.take(torch.tensor([i]))) for i in range(len(split)))
        assert each == Counter(digests(split)), "without a generator, not every example comes once"

    def test_parts_of_splits_hold_what_they_are_parts_of(self, few: Data) -> None:
        indices = torch.arange(len(few.train)).flip(0)[::2]
        part = few.train.subset(indices)
        assert len(part) == len(indices)
        for position, index in enumerate(indices.tolist()):
            assert equal(_one(part, position), _one(few.train, index)), "`subset` takes other examples"
        joined = part.joined([few.train])
        assert torch.equal(joined.labels, torch.cat([part.labels, few.train.labels]))
        assert equal(_one(joined, len(part)), _one(few.train, 0)), "`joined` puts other examples second"
        assert equal(_one(few.train.to(torch.device("cpu")), 0), _one(few.train, 0))


def _one(split: Split, index: int) -> Batch:
    return split.take(torch.tensor([index]))
