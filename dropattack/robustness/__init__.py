"""How robust a trained model is: attacks on its inputs, white-box, black-box and transferred."""

from dropattack.robustness.ascent import input_gradient, margin
from dropattack.robustness.attacks import Attack, adversarial_examples
from dropattack.robustness.checks import ZERO_GRADIENT, Check, masking_checks
from dropattack.robustness.grids import Case, canonical_grid, parse_grid
from dropattack.robustness.victims import UNIT, Bounds, Pixels, Vectors, Victim, attacking, victim

__all__ = [
    "UNIT",
    "ZERO_GRADIENT",
    "Attack",
    "Bounds",
    "Case",
    "Check",
    "Pixels",
    "Vectors",
    "Victim",
    "adversarial_examples",
    "attacking",
    "canonical_grid",
    "input_gradient",
    "margin",
    "masking_checks",
    "parse_grid",
    "victim",
]
