"""AutoAttack's four attacks: those of torchattacks, with the budgets and rules of the authors' own code.

torchattacks 3.3.0 takes the authors' steps, except for what this module mends. The library makes 10 steps of
each attack instead of 100, stretches Square's schedule as if 5,000 queries were 10,000, has no loss of APGD-T
for fewer than four classes, and adds FAB's gradients to those of the model's parameters. It raises an error
with models of half precision, and in FAB with double precision and with images or gradients in channels-last
order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchattacks import APGD, APGDT, FAB, Square
from typing_extensions import override

from dropattack.robustness.victims import Victim


@dataclass(frozen=True)
class Budget:
    """How hard the attacks try; the defaults are those of AutoAttack's standard version.

    Attributes:
        steps: Of APGD and, for each target class, of APGD-T and FAB-T.
        targets: Largest number of wrong classes to aim at, those of the largest logits.
        queries: Of Square.
    """

    steps: int = 100
    targets: int = 9
    queries: int = 5000


STANDARD = Budget()


class _Logits(nn.Module):
    """A victim as the library expects a model: logits of the images' type, a parameter on their device."""

    def __init__(self, victim: Victim) -> None:
        super().__init__()
        self._victim = victim
        self.place = nn.Parameter(torch.empty(0, device=victim.start.device), requires_grad=False)

    @override
    def forward(self, point: Tensor) -> Tensor:
        return self._victim.outputs(point.to(self._victim.start.dtype)).to(point.dtype)


class _TargetedApgd(APGDT):  # type: ignore[misc]  # torchattacks has no types
    """APGD towards a wrong class."""

    def dlr_loss_targeted(self, logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """The authors' loss; for fewer than four classes its numerator, the lead of the target."""
        if logits.shape[1] < 4:
            return _lead(logits, labels, targets)
        loss: Tensor = super().dlr_loss_targeted(logits, labels, targets)
        return loss


class _TargetedFab(FAB):  # type: ignore[misc]  # torchattacks has no types
    """FAB towards a wrong class; the gradients of the model's parameters stay as they are."""

    def get_diff_logits_grads_batch_targeted(
        self, points: Tensor, labels: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lead of the target ``[batch, 1]`` and its gradient by the points ``[batch, 1, ...]``."""
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            lead = _lead(self.get_logits(points), labels, targets)
            (gradient,) = torch.autograd.grad(lead.sum(), points)
        return lead.detach().unsqueeze(1), gradient.contiguous().unsqueeze(1)


def _lead(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """By how much the target leads the right class, ``[batch]``."""
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)


def apgd_ce(victim: Victim, labels: Tensor, epsilon: float, budget: Budget) -> Tensor:
    """APGD on the cross entropy, from a random start (Croce and Hein 2020b, Algorithm 1)."""
    attack = APGD(_Logits(victim), eps=epsilon, steps=budget.steps, loss="ce")
    points: Tensor = attack.attack_single_run(_images(victim), labels)[3]
    return points


def apgd_t(victim: Victim, labels: Tensor, epsilon: float, budget: Budget) -> Tensor:
    """APGD on the targeted difference of logits ratio, target by target (Croce and Hein 2020b, Eq. 7)."""
    attack = _TargetedApgd(_Logits(victim), eps=epsilon, steps=budget.steps)

    def towards(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        _, standing, _, found = attack.attack_single_run(points, labels)
        return found, ~standing

    return _targeted(attack, victim, labels, budget, towards)


def fab_t(victim: Victim, labels: Tensor, epsilon: float, budget: Budget) -> Tensor:
    """FAB, target by target: the nearest point past the boundary (Croce and Hein 2020a, Algorithm 1)."""
    attack = _TargetedFab(_Logits(victim), eps=epsilon, steps=budget.steps, multi_targeted=True)

    def towards(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        found = attack.attack_single_run_targeted(points, labels)
        near = (found - points).flatten(1).abs().amax(1) <= epsilon
        return found, near & (attack.get_logits(found).argmax(1) != labels)

    return _targeted(attack, victim, labels, budget, towards)


def square(victim: Victim, labels: Tensor, epsilon: float, budget: Budget) -> Tensor:
    """Random search by squares (Andriushchenko et al. 2020, Algorithm 1), the squares' sizes as published."""
    attack = Square(_Logits(victim), eps=epsilon, n_queries=budget.queries, resc_schedule=False)
    images = _images(victim)
    attack.init_hyperparam(images)
    points: Tensor = attack.attack_single_run(images, labels)[1]
    return points


PARTS: dict[str, Callable[[Victim, Tensor, float, Budget], Tensor]] = {
    "apgd-ce": apgd_ce,
    "apgd-t": apgd_t,
    "fab-t": fab_t,
    "square": square,
}


def _images(victim: Victim) -> Tensor:
    """The attacked images as the library accepts them: in single precision at least, channels first."""
    start = victim.start
    return (start.float() if start.dtype.itemsize < 4 else start).contiguous()


def _targeted(
    attack: APGDT | FAB,
    victim: Victim,
    labels: Tensor,
    budget: Budget,
    towards: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Tensor:
    """Attacks towards the likeliest wrong class, then what withstands that towards the next, and so on.

    Args:
        attack: Its ``target_class`` is set to the rank of the class to aim at; 2 is the likeliest.
        victim: All its examples are classified rightly.
        labels: ``[batch]``.
        budget: Holds the number of classes.
        towards: Maps points and labels to points, and to which of these are adversarial.
    """
    images = _images(victim)
    points, standing = images.clone(), torch.arange(len(labels), device=labels.device)
    classes = victim.outputs(victim.start[:1]).shape[1]
    for rank in range(2, min(budget.targets, classes - 1) + 2):
        if not len(standing):
            break
        attack.target_class = rank
        found, fooled = towards(images[standing], labels[standing])
        points[standing[fooled]] = found[fooled].to(points.dtype)
        standing = standing[~fooled]
    return points


@contextmanager
def seeded(generator: torch.Generator | None) -> Iterator[None]:
    """Seeds the library's draws, which are from torch's default generator on the CPU, by ``generator``.

    The default generator has its earlier state afterwards. With ``None`` it draws the seed itself.
    """
    device = "cpu" if generator is None else generator.device
    seed = int(torch.randint(2**62, (), generator=generator, device=device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
