"""Adversarial training methods that attack inputs and weights; needs torch and nothing else."""

from dropattack.dropen import Dropen
from dropattack.dropout import Dropout
from dropattack.errors import UsageError
from dropattack.free_attacks import FreeAT, FreeLB
from dropattack.input_attacks import FGM, FGSM, PGD
from dropattack.masked import DropAttack
from dropattack.masked_settings import DropAttackSettings
from dropattack.method import Batch, Inputs, Method, StepResult, Task
from dropattack.penalties import L1, L2
from dropattack.perturbation_bias import APB
from dropattack.random_weights import RWP
from dropattack.registry import create, method_named, methods, register
from dropattack.settings import Range, Settings, setting
from dropattack.standard import Standard
from dropattack.targets import INPUT, canonical_targets, parse_targets
from dropattack.weight_attacks import ASAM, AWP, ESAM, SAM

__all__ = [
    "APB",
    "ASAM",
    "AWP",
    "ESAM",
    "FGM",
    "FGSM",
    "INPUT",
    "L1",
    "L2",
    "PGD",
    "RWP",
    "SAM",
    "Batch",
    "DropAttack",
    "DropAttackSettings",
    "Dropen",
    "Dropout",
    "FreeAT",
    "FreeLB",
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
