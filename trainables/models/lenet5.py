"""LeNet-5 as the DropAttack paper sizes it (section 4.2): channels 1-6-16, kernels of 5, FC 400-120-84-10."""

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet5(nn.Module):
    """Two convolutions and three fully connected layers with ReLU and max pooling.

    The first convolution pads by 2, which the stated width of 400 asks for on 28×28 images.

    Args:
        classes: Number of outputs.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images ``[batch, 1, 28, 28]`` to logits ``[batch, classes]``."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        hidden = F.relu(self.fc2(hidden))
        logits: Tensor = self.fc3(hidden)
        return logits


TARGETS = {
    f"{layer}.{short}": f"{layer}.{full}"
    for layer in ("conv1", "conv2", "fc1", "fc2", "fc3")
    for short, full in (("w", "weight"), ("b", "bias"))
}
