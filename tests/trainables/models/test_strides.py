"""The layout that convolutions get is another view of the same images."""

import torch

from trainables.models.strides import channel_last


def test_images_of_one_channel_are_seen_as_channels_last_without_a_copy() -> None:
    images = torch.rand(4, 1, 5, 6, requires_grad=True)
    seen = channel_last(images)
    assert seen.shape == images.shape
    assert seen.stride()[1] == 1
    assert seen.data_ptr() == images.data_ptr()
    assert torch.equal(seen, images)
    (gradient,) = torch.autograd.grad((seen * torch.arange(6)).sum(), images)
    assert torch.equal(gradient, torch.arange(6.0).expand(4, 1, 5, 6))


def test_other_images_are_left_as_they_are() -> None:
    images = torch.rand(4, 3, 5, 6)
    assert channel_last(images) is images
