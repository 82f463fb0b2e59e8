"""scikit-learn's 1,797 handwritten digits, scaled from 8×8 to 28×28: real data with nothing to download."""

from pathlib import Path

import torch
import torch.nn.functional as F
from typing_extensions import override

from dropattack import Settings
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit, stratified_subset
from trainables.digest import digest

_CONTENT = digest("digits", 1)
_SPLIT_SEED = 0
_VALID, _TEST = 300, 300


class Digits(Dataset):
    """1,197 training, 300 validation and 300 test images of ten classes."""

    name = "digits"

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; the data come with scikit-learn."""
        return _CONTENT

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        entry = cached(self.name, _CONTENT, _encode)
        whole = ImageSplit(entry["images"], entry["labels"])
        order = stratified_subset(whole.labels, len(whole), _SPLIT_SEED)
        test, valid, train = order[:_TEST], order[_TEST : _TEST + _VALID], order[_TEST + _VALID :]
        shape = {"shape": [1, 28, 28]}
        return Data(whole.subset(train), whole.subset(valid), whole.subset(test), 10, _CONTENT, extras=shape)


def _encode() -> Encoded:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16
    images = F.interpolate(small, size=(28, 28), mode="bilinear", align_corners=False)
    return {
        "images": (images * 255).round().to(torch.uint8),
        "labels": torch.from_numpy(bunch.target).long(),
    }
