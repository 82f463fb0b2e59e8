"""Adversarial training methods that attack inputs and weights; needs torch and nothing else."""

from dropattack.errors import UsageError
from dropattack.method import Method, StepResult
from dropattack.methods.apb import APB
from dropattack.methods.awp import AWP
from dropattack.methods.dropattack import DropAttack
from dropattack.methods.dropattack_settings import DropAttackSettings
from dropattack.methods.dropen import Dropen
from dropattack.methods.dropout import Dropout
from dropattack.methods.free_attacks import FreeAT, FreeLB
from dropattack.methods.input_attacks import FGM, FGSM, PGD
from dropattack.methods.penalties import L1, L2
from dropattack.methods.rwp import RWP
from dropattack.methods.sam import ASAM, ESAM, SAM
from dropattack.methods.standard import Standard
from dropattack.registry import create, method_named, register, registered
from dropattack.settings import Range, Settings, setting
from dropattack.targets.names import INPUT, canonical_targets, parse_targets
from dropattack.task import Batch, Inputs, Task

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
    "parse_targets",
    "register",
    "registered",
    "setting",
]
