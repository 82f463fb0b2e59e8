"""Loss surfaces around trained models, along random directions that compared models share.

Source: the DropAttack paper, section 5 (its eq. 14 reads L(δ, η) = ℒ(θ* + δα + ηβ)), after Li et al.,
"Visualizing the loss landscape of neural nets": each filter of a Gaussian direction is rescaled to the norm
of that filter of the trained weights; biases and BatchNorm, with its statistics, stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.data.splits import Split
from trainables.recipe.fitting import in_batches

Models = Mapping[str, tuple[nn.Module, Mapping[str, Tensor]]]
"""Label to an architecture and the state it was trained to; its own ``state_dict()`` will do."""
Progress = Callable[[int, int], None]
Direction = dict[str, Tensor]
Point = tuple[float, float]
"""How far along the first direction, and along the second."""
Known = Mapping[str, MutableMapping[Point, tuple[float, float]]]
"""Loss and accuracy of points, by the label of their model."""

REACH, STEPS = 1.5, 51
"""The range and resolution of the paper's published notebook."""


def at_trained(models: Models) -> Iterator[tuple[str, nn.Module]]:
    """Every model with its label, at its trained state when it is given out and put back there afterwards.

    States are copied before anything moves: a model's own ``state_dict()`` moves with the model.
    """
    states = {
        label: {name: value.detach().clone() for name, value in state.items()}
        for label, (_, state) in models.items()
    }
    for label, (model, _) in models.items():
        model.load_state_dict(states[label])
        yield label, model
        model.load_state_dict(states[label])


def direction(model: nn.Module, seed: int) -> Direction:
    """A random direction at a model's weights, normalised filter by filter.

    Equal seeds draw equal Gaussian numbers for models of one architecture, so that they can be compared.

    Args:
        model: Trained; its weights give the norms.
        seed: Seed of the direction.

    Returns:
        A tensor for every parameter with at least two dimensions: ``d_i · ‖w_i‖ / ‖d_i‖`` for each filter i
        along the first dimension.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            continue
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64).flatten(1)
        norms = weight.detach().cpu().double().flatten(1).norm(dim=1, keepdim=True)
        scaled = noise * (norms / noise.norm(dim=1, keepdim=True))
        found[name] = scaled.view_as(weight).to(weight)
    return found


def line(
    models: Models,
    split: Split,
    *,
    steps: int = STEPS,
    reach: float = REACH,
    seed: int = 0,
    progress: Progress | None = None,
    known: Known | None = None,
) -> pd.DataFrame:
    """Loss and accuracy along one direction; see `surface`.

    Returns:
        Tidy rows ``label, delta, loss, accuracy``.
    """
    deltas = [(float(delta), 0.0) for delta in np.linspace(-reach, reach, steps)]
    return _evaluated(models, split, deltas, seed, progress, known).drop(columns="eta")


def surface(
    models: Models,
    split: Split,
    *,
    steps: int = STEPS,
    reach: float = REACH,
    seed: int = 0,
    progress: Progress | None = None,
    known: Known | None = None,
) -> pd.DataFrame:
    """Loss and accuracy on a grid around each model (Figures 3, 5 and 6).

    Args:
        models: What to compare; all of one architecture.
        split: Where the loss is measured, the test split in the paper.
        steps: Points per side.
        reach: The grid spans [-reach, reach] in units of the filter norms.
        seed: Seed of the two directions, shared by all models.
        progress: Called with how many points are done, and how many there are.
        known: Points by label that it does not compute again, and to which it adds computed ones. They must
            be of the same state, split and seed.

    Returns:
        Tidy rows ``label, delta, eta, loss, accuracy``, the accuracy in [0, 1].
    """
    line_of_points = np.linspace(-reach, reach, steps)
    points = [(float(delta), float(eta)) for eta in line_of_points for delta in line_of_points]
    return _evaluated(models, split, points, seed, progress, known)


def _evaluated(
    models: Models,
    split: Split,
    points: list[Point],
    seed: int,
    progress: Progress | None,
    known: Known | None,
) -> pd.DataFrame:
    rows = []
    total = len(points) * len(models)
    for label, model in at_trained(models):
        first, second = direction(model, 2 * seed), direction(model, 2 * seed + 1)
        weights = {name: p for name, p in model.named_parameters() if name in first}
        center = {name: p.detach().clone() for name, p in weights.items()}
        found = {} if known is None else known[label]
        for delta, eta in points:
            if (delta, eta) not in found:
                with torch.no_grad():
                    for name, weight in weights.items():
                        weight.copy_(center[name] + delta * first[name] + eta * second[name])
                found[delta, eta] = mean_loss(model, split)
            rows.append((label, delta, eta, *found[delta, eta]))
            if progress is not None:
                progress(len(rows), total)
    return pd.DataFrame(rows, columns=["label", "delta", "eta", "loss", "accuracy"])


@torch.no_grad()
def mean_loss(model: nn.Module, split: Split) -> tuple[float, float]:
    """Mean cross entropy and accuracy in eval mode; the model's mode is put back."""
    was_training = model.training
    model.eval()
    device = split.labels.device

    def summed(size: int) -> list[float]:
        totals = torch.zeros(2, device=device, dtype=torch.float64)
        for inputs, labels in split.batches(size):
            outputs = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
            loss = F.cross_entropy(outputs, labels, reduction="sum")
            totals += torch.stack([loss.double(), (outputs.argmax(1) == labels).sum().double()])
        found: list[float] = totals.tolist()
        return found

    loss_sum, correct = in_batches(summed, device)
    model.train(was_training)
    return loss_sum / len(split), correct / len(split)
