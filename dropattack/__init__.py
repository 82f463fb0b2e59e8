"""Adversarial training methods that attack inputs and weights; needs torch and nothing else."""

from dropattack.errors import UsageError
from dropattack.masked import DropAttack
from dropattack.method import Batch, Inputs, Method, StepResult, Task, create, method_named, methods, register
from dropattack.settings import Range, Settings, setting
from dropattack.standard import Standard
from dropattack.targets import INPUT, canonical_targets, parse_targets

__all__ = [
    "INPUT",
    "Batch",
    "DropAttack",
    "Inputs",
    "Method",
    "Range",
    "Settings",
    "Standard",
    "StepResult",
    "Task",
    "UsageError",
    "canonical_targets",
    "create",
    "method_named",
    "methods",
    "parse_targets",
    "register",
    "setting",
]
