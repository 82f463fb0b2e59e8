"""How robust a trained model is: attacks on its inputs, white-box, black-box and transferred."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropattack.robustness.ascent import input_gradient, margin
    from dropattack.robustness.attacks import Attack
    from dropattack.robustness.autoattack import PARTS, check_installed, part
    from dropattack.robustness.checks import (
        ZERO_GRADIENT,
        Check,
        MaskingVerdict,
        masking_checks,
        masking_verdict,
    )
    from dropattack.robustness.examples import adversarial_examples
    from dropattack.robustness.grids import Case, canonical_grid, parse_grid
    from dropattack.robustness.victims import UNIT, Bounds, Pixels, Vectors, Victim, attacking, victim

_HOMES = {
    "Attack": "dropattack.robustness.attacks",
    "Bounds": "dropattack.robustness.victims",
    "Case": "dropattack.robustness.grids",
    "Check": "dropattack.robustness.checks",
    "PARTS": "dropattack.robustness.autoattack",
    "Pixels": "dropattack.robustness.victims",
    "UNIT": "dropattack.robustness.victims",
    "Vectors": "dropattack.robustness.victims",
    "MaskingVerdict": "dropattack.robustness.checks",
    "Victim": "dropattack.robustness.victims",
    "ZERO_GRADIENT": "dropattack.robustness.checks",
    "adversarial_examples": "dropattack.robustness.examples",
    "attacking": "dropattack.robustness.victims",
    "canonical_grid": "dropattack.robustness.grids",
    "check_installed": "dropattack.robustness.autoattack",
    "input_gradient": "dropattack.robustness.ascent",
    "margin": "dropattack.robustness.ascent",
    "masking_checks": "dropattack.robustness.checks",
    "masking_verdict": "dropattack.robustness.checks",
    "part": "dropattack.robustness.autoattack",
    "parse_grid": "dropattack.robustness.grids",
    "victim": "dropattack.robustness.victims",
}

__all__ = [
    "PARTS",
    "UNIT",
    "ZERO_GRADIENT",
    "Attack",
    "Bounds",
    "Case",
    "Check",
    "MaskingVerdict",
    "Pixels",
    "Vectors",
    "Victim",
    "adversarial_examples",
    "attacking",
    "canonical_grid",
    "check_installed",
    "input_gradient",
    "margin",
    "masking_checks",
    "masking_verdict",
    "parse_grid",
    "part",
    "victim",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
