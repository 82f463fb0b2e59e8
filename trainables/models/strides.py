"""The layout in which convolutions are fast on a CPU."""

from torch import Tensor


def channel_last(images: Tensor) -> Tensor:
    """Images of one channel seen as channels last: a view, as contiguous as before.

    Told so, a convolution on a CPU takes another path: forward and backward of LeNet-5 took 13 ms and not 17
    for a batch of 128 on one thread, and 17 ms and not 39 where the gradient by the input is asked for too.

    Args:
        images: ``[batch, channels, height, width]``; with several channels they are left as they are.
    """
    return images.squeeze(1).unsqueeze(-1).movedim(-1, 1) if images.shape[1] == 1 else images
