"""Signs that a model hides its gradients instead of being robust (after Athalye et al. 2018).

A robust accuracy is an upper bound: other attacks may find more. A model whose gradients vanish or mislead
weakens white-box attacks, and looks robust until another attack is tried. Each check looks for accuracies in
an order that honest gradients would reverse.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from dropattack.robustness.autoattack import WHITE_BOX
from dropattack.robustness.grids import Case

ZERO_GRADIENT = "zero_gradient"
"""Metric: share of the examples whose loss has no gradient at all by their input."""

_SLACK = 0.02
"""Largest difference of accuracies that is taken for chance."""
_LOSS_SLACK = 0.05
"""Largest such difference between losses, which differ a little in strength on any model."""
_FEW = 0.005
"""Largest share of examples that an attack without gradients may fool beyond attacks with gradients."""
_MISLED = 0.75
"""Least share of the clean accuracy that a misled step leaves, and that many steps then take away."""
_LARGE = 0.25
_HUGE = 0.5
"""A change that can make every image grey."""

Accuracies = Mapping[Case, float]
Finding = str | None
"""Evidence against a model; "" for none, and ``None`` where the figures needed are missing."""


@dataclass(frozen=True)
class Check:
    """One check of one model.

    Attributes:
        name: What to call it.
        finding: See `Finding`.
    """

    name: str
    finding: Finding


@dataclass(frozen=True)
class MaskingVerdict:
    """The result of all checks of one model.

    Attributes:
        checks: See `masking_checks`.
    """

    checks: Sequence[Check]

    @property
    def reasons(self) -> list[str]:
        """The evidence against the model."""
        return [check.finding for check in self.checks if check.finding]

    @property
    def masked(self) -> bool | None:
        """Whether its gradients look masked; ``None`` where nothing was compared."""
        if self.reasons:
            return True
        return False if any(check.finding is not None for check in self.checks) else None

    @override
    def __str__(self) -> str:
        if self.masked:
            return f"gradients look masked: {'; '.join(self.reasons)}"
        if self.masked is None:
            return "whether gradients are masked was not looked at: attack with more than one attack or ε"
        made = sum(check.finding is not None for check in self.checks)
        return f"no sign of masked gradients in {made} of {len(self.checks)} checks, those that were possible"


def masking_verdict(metrics: Mapping[str, float]) -> MaskingVerdict:
    """Whether a model's accuracies under attack show masked gradients; see `masking_checks`.

    Examples:
        >>> print(masking_verdict({"autoattack_0.1_accuracy": 0.4, "autoattack_0.1_left_by_fab-t": 0.55}))
        gradients look masked: Square fools 15.0 % that APGD and FAB leave right at ε 0.1
    """
    return MaskingVerdict(masking_checks(metrics))


def masking_checks(metrics: Mapping[str, float]) -> list[Check]:
    """Runs every check, in fixed order; those of AutoAttack only where it ran.

    Args:
        metrics: A model's metrics on one split, without the split in their names: ``accuracy``,
            ``zero_gradient``, and accuracies under attack by `Case.metric`.

    Examples:
        >>> found = masking_checks({"accuracy": 0.9, "fgsm_0.1_accuracy": 0.3, "pgd-20_0.1_accuracy": 0.6})
        >>> [check.finding for check in found if check.name == "steps"]
        ['one step beats many at ε 0.1: 30.0 % under fgsm, 60.0 % under pgd-20']
    """
    cases = {case: value for name, value in metrics.items() if (case := Case.of_metric(name)) is not None}
    zero = metrics.get(ZERO_GRADIENT)
    vanished = f"{_percent(zero or 0)} of the examples have no gradient at all"
    return [
        Check("gradients", None if zero is None else vanished if zero > _SLACK / 2 else ""),
        Check("falls with ε", _falls(cases, metrics.get("accuracy", 1.0))),
        Check("steps", _first(_STEPS.finding(cases), _misled(cases, metrics.get("accuracy", 1.0)))),
        *(Check(name, order.finding(cases)) for name, order in _ORDERS.items()),
        *(_of_autoattack(cases, metrics) if any(case.attack.in_turn for case in cases) else []),
    ]


def _falls(cases: Accuracies, clean: float) -> Finding:
    """Accuracy must not rise with ε, nor stay high where ε is large (L∞)."""
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for case, value in cases.items():
        if case.attack.sees_gradients and not case.transfer:
            groups.setdefault((case.name, case.attack.ball), []).append((case.epsilon, value))
    compared = False
    for (name, ball), pairs in groups.items():
        (small, first), *_, (large, last) = [*sorted(pairs), max(pairs)]
        linf = ball == "linf"
        if linf and large >= _HUGE and last > clean / 2:
            return f"{name} leaves {_percent(last)} right at ε {large:g}, where any image can be made grey"
        if len(pairs) == 1:
            continue
        compared = True
        if last > first + _SLACK:
            return f"accuracy under {name} rises from {_percent(first)} to {_percent(last)} with ε"
        if linf and large >= max(_LARGE, 2 * small) and last > first - _SLACK / 2 and last > clean / 2:
            return f"accuracy under {name} stays at {_percent(last)} from ε {small:g} to {large:g}"
    return "" if compared else None


def _first(*findings: Finding) -> Finding:
    """The first with evidence against the model; "" where a check ran and found none."""
    return next(filter(None, findings), None if all(f is None for f in findings) else "")


def _misled(cases: Accuracies, clean: float) -> Finding:
    """One step must not fail where many steps nearly always succeed, as after training on FGSM."""
    compared = False
    for alike in sorted(set(map(_alike, cases))):
        here = {case: value for case, value in cases.items() if _alike(case) == alike}
        one, many = (min(_those(here, kind), default=None) for kind in (_one_step, _many_steps))
        if one is None or many is None:
            continue
        compared = True
        if one[0] > _MISLED * clean and many[0] < (1 - _MISLED) * one[0]:
            sides = ", ".join(f"{_percent(value)} under {name}" for value, name in (one, many))
            return f"one step is misled at ε {alike[1]:g}: {sides}"
    return "" if compared else None


def _of_autoattack(cases: Accuracies, metrics: Mapping[str, float]) -> list[Check]:
    return [
        Check("AutoAttack's Square", _square_adds(cases, metrics)),
        Check("beyond AutoAttack", _BEATEN.finding(cases)),
    ]


def _square_adds(cases: Accuracies, metrics: Mapping[str, float]) -> Finding:
    """AutoAttack's Square must find next to nothing that its attacks with gradients missed."""
    compared = False
    for case, value in cases.items():
        left = metrics.get(case.left_by(WHITE_BOX[-1]))
        if left is None:
            continue
        compared = True
        if round(left - value, 9) > _FEW:  # five of 1,000 are not more than 0.5 %
            what = f"Square fools {_percent(left - value)} that APGD and FAB leave right"
            return f"{what} at ε {case.epsilon:g}{f', of {case.examples:,}' if case.examples else ''}"
    return "" if compared else None


Which = Callable[[Case], bool]


@dataclass(frozen=True)
class _Order:
    """An attack that must not leave fewer examples right than another on the same examples, ball and ε.

    Attributes:
        words: What it means where the attack does.
        pairs: The weaker and the stronger kind of attack.
        slack: Largest difference that is allowed.
    """

    words: str
    pairs: Sequence[tuple[Which, Which]]
    slack: float

    def finding(self, cases: Accuracies) -> Finding:
        """The first pair that is the wrong way round."""
        compared = False
        for alike in sorted(set(map(_alike, cases))):
            epsilon, here = alike[1], {c: v for c, v in cases.items() if _alike(c) == alike}
            for kinds in self.pairs:
                weak, strong = (min(_those(here, kind), default=None) for kind in kinds)
                if weak is None or strong is None:
                    continue
                compared = True
                if weak[0] < strong[0] - self.slack:
                    sides = ", ".join(f"{_percent(value)} under {name}" for value, name in (weak, strong))
                    return f"{self.words} at ε {epsilon:g}: {sides}"
        return "" if compared else None


def _alike(case: Case) -> tuple[str, float, int]:
    """What two cases must share to be compared: ball, ε and number of examples."""
    return case.attack.ball, case.epsilon, case.examples


def _those(cases: Accuracies, which: Which) -> Iterator[tuple[float, str]]:
    return ((value, case.name) for case, value in cases.items() if which(case))


def _white(case: Case) -> bool:
    return case.attack.sees_gradients and not case.transfer and not case.attack.in_turn


def _one_step(case: Case) -> bool:
    return _white(case) and not case.attack.steps


def _many_steps(case: Case) -> bool:
    return _white(case) and case.attack.steps > 1


def _of(family: str, kind: Which = lambda case: not case.transfer) -> Which:
    return lambda case: case.attack.family == family and kind(case)


def _on_cross_entropy(kind: Which) -> Which:
    return lambda case: case.attack.family != "margin" and kind(case)


def _transferred(case: Case) -> bool:
    return case.transfer


def _one_step_transferred(case: Case) -> bool:
    return case.transfer and not case.attack.steps


_STEPS = _Order("one step beats many", [(_one_step, _many_steps)], _SLACK)
_ORDERS = {
    "loss": _Order(
        "the margin loss beats the cross entropy",
        [(_of("margin", kind), _on_cross_entropy(kind)) for kind in (_one_step, _many_steps)],
        _LOSS_SLACK,
    ),
    "black box": _Order(
        "an attack without gradients beats those with them",
        [(_of("noise"), _white), (_of("square"), _many_steps)],
        _SLACK / 2,
    ),
    "transfer": _Order(
        "another model's examples beat its own",
        [(_one_step_transferred, _one_step), (_transferred, _many_steps)],
        _SLACK / 2,
    ),
}

_BEATEN = _Order(
    "another attack beats AutoAttack",
    [(lambda case: not case.attack.in_turn, lambda case: case.attack.in_turn)],
    _SLACK / 2,
)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
