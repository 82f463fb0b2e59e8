"""Data know which tokens of a batch are words."""

from dataclasses import replace

import torch
from torch import Tensor

from dropattack import Inputs
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit, TextSplit

TEXTS = TextSplit(
    torch.tensor([[5, 6, 7], [8, 1, 1]], dtype=torch.int32), torch.tensor([3, 1]), torch.zeros(2)
)
IMAGES = ImageSplit(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2))


def test_those_of_texts_tell_words_and_those_of_images_have_none() -> None:
    data = Data(TEXTS, TEXTS, TEXTS, 2, "c")
    assert data.words is not None
    inputs, _ = TEXTS.take(torch.arange(2))
    assert data.words(inputs).tolist() == [[True, True, True], [True, False, False]]
    assert Data(IMAGES, IMAGES, IMAGES, 2, "c").words is None


def test_what_a_dataset_tells_itself_goes_first_and_is_kept() -> None:
    def every(inputs: Inputs) -> Tensor:
        return torch.ones_like(inputs[0], dtype=torch.bool)

    data = Data(TEXTS, TEXTS, TEXTS, 2, "c", words=every)
    assert data.words is every
    assert replace(data, classes=3).to(torch.device("cpu")).words is every
