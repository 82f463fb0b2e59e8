"""How sharp a minimum is: the Hessian's top eigenvalue, SAM's sharpness, and the gradient norms of eq. 13."""

from collections.abc import Iterator

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analysis.questions.landscape import Models, Progress, at_trained
from dropattack import Batch
from dropattack.modes import twice_differentiable
from trainables.data.splits import Split

_BATCH = 500


def sharpness(
    models: Models,
    split: Split,
    *,
    rho: float = 0.05,
    epsilon: float = 0.5,
    iterations: int = 30,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Sharpness figures of compared models on one split, in eval mode.

    Args:
        models: Label to architecture and trained state.
        split: Where losses are measured; a few hundred examples do.
        rho: Radius of SAM's sharpness, over all parameters.
        epsilon: L2 size of the attack under which gradient norms are measured a second time, on a whole
            batch of inputs and on all weights alike.
        iterations: Most power iterations for the eigenvalue.
        progress: Called with how many models are done, and how many there are.

    Returns:
        One row per model: ``label``, ``top_eigenvalue``, ``sam_sharpness``, and the L2 norms of the mean
        loss's gradient ``input_gradient, weight_gradient`` without and
        ``input_gradient_attacked, weight_gradient_attacked`` with attack. Norms of the input are missing
        for models that do not take floating-point inputs.
    """
    rows = []
    for label, model in at_trained(models):
        was_training = model.training
        model.eval()
        with twice_differentiable(model):
            clean_input, clean_weight = gradient_norms(model, split)
            attacked_input, attacked_weight = gradient_norms(model, split, epsilon)
            rows.append(
                {
                    "label": label,
                    "top_eigenvalue": top_eigenvalue(model, split, iterations=iterations),
                    "sam_sharpness": sam_sharpness(model, split, rho),
                    "input_gradient": clean_input,
                    "weight_gradient": clean_weight,
                    "input_gradient_attacked": attacked_input,
                    "weight_gradient_attacked": attacked_weight,
                }
            )
        model.train(was_training)
        if progress is not None:
            progress(len(rows), len(models))
    return pd.DataFrame(rows)


def top_eigenvalue(
    model: nn.Module, split: Split, *, iterations: int = 30, tolerance: float = 1e-3, seed: int = 0
) -> float:
    """The Hessian's eigenvalue of largest magnitude, by power iteration on Hessian-vector products.

    Args:
        model: In the mode in which it is to be looked at.
        split: Its mean cross entropy is differentiated.
        iterations: Most products; each costs two backward passes over the split.
        tolerance: Stops when the estimate changes by a smaller share than this.
        seed: Seed of the start vector.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(seed)
    vector = [torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device) for p in parameters]
    estimate = 0.0
    for _ in range(iterations):
        norm = _norm(vector)
        vector = [v / norm for v in vector]
        product = _hessian_product(model, split, parameters, vector)
        previous, estimate = estimate, sum(float((v * h).sum()) for v, h in zip(vector, product, strict=True))
        if _norm(product) == 0 or abs(estimate - previous) <= tolerance * abs(estimate):
            break
        vector = product
    return estimate


def sam_sharpness(model: nn.Module, split: Split, rho: float) -> float:
    """Rise of the loss at distance ``rho`` along the gradient: L(θ + ρ·g/‖g‖) - L(θ) (Foret et al., 2021)."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradient, before = _gradient(model, split, parameters)
    norm = _norm(gradient)
    if norm == 0:
        return 0.0
    originals = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p, g in zip(parameters, gradient, strict=True):
            p.add_(g, alpha=rho / norm)
        after = sum(float(loss) for _, loss in _losses(model, split))
        for p, original in zip(parameters, originals, strict=True):
            p.copy_(original)
    return after - before


def gradient_norms(model: nn.Module, split: Split, epsilon: float = 0.0) -> tuple[float, float]:
    """Norms ‖∇ₓL‖₂, averaged over batches, and ‖∇_θL‖₂ of weights, each at its own attacked point.

    Args:
        model: In the mode in which it is to be looked at.
        split: Where the mean loss is taken.
        epsilon: L2 size of the step along the gradient before norms are taken; 0 for no attack.
    """
    norms: list[float] = []
    for inputs, labels in split.batches(_BATCH):
        if isinstance(inputs, tuple) or not inputs.is_floating_point():
            norms = []
            break
        gradient = _input_gradient(model, inputs, labels)
        if epsilon and gradient.norm() > 0:
            gradient = _input_gradient(model, inputs + epsilon * gradient / gradient.norm(), labels)
        norms.append(float(gradient.norm()))
    parameters = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    gradients, _ = _gradient(model, split, parameters)
    norm = _norm(gradients)
    if epsilon and norm > 0:
        originals = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p.add_(g, alpha=epsilon / norm)
        norm = _norm(_gradient(model, split, parameters)[0])
        with torch.no_grad():
            for p, original in zip(parameters, originals, strict=True):
                p.copy_(original)
    return sum(norms) / len(norms) if norms else float("nan"), norm


def _losses(model: nn.Module, split: Split) -> Iterator[tuple[Batch, Tensor]]:
    """Every batch with its share of the mean loss of the split."""
    for inputs, labels in split.batches(_BATCH):
        outputs = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
        yield (inputs, labels), F.cross_entropy(outputs, labels, reduction="sum") / len(split)


def _gradient(model: nn.Module, split: Split, parameters: list[nn.Parameter]) -> tuple[list[Tensor], float]:
    total = [torch.zeros_like(p) for p in parameters]
    value = 0.0
    for _, loss in _losses(model, split):
        for sum_, part in zip(total, torch.autograd.grad(loss, parameters), strict=True):
            sum_ += part
        value += float(loss.detach())
    return total, value


def _hessian_product(
    model: nn.Module, split: Split, parameters: list[nn.Parameter], vector: list[Tensor]
) -> list[Tensor]:
    total = [torch.zeros_like(p) for p in parameters]
    for _, loss in _losses(model, split):
        gradients = torch.autograd.grad(loss, parameters, create_graph=True)
        slope = torch.stack([(g * v).sum() for g, v in zip(gradients, vector, strict=True)]).sum()
        for sum_, part in zip(total, torch.autograd.grad(slope, parameters), strict=True):
            sum_ += part
    return total


def _input_gradient(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    leaf = inputs.detach().clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)[0]


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.stack([t.double().square().sum() for t in tensors]).sum().sqrt())
