"""Adversarial training methods that attack inputs and weights; needs torch and nothing else.

The first use of a method, or of methods by name, imports torch and every method. Settings, names of targets
and errors import neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dropattack.errors import UsageError
from dropattack.settings import Range, Settings, setting
from dropattack.targets.spelling import INPUT, canonical_targets, parse_targets

if TYPE_CHECKING:
    from dropattack.attack_settings import AttackSettings, ScheduledSettings
    from dropattack.method import Method
    from dropattack.methods.apb import APB
    from dropattack.methods.awp import AWP
    from dropattack.methods.dropattack import DropAttack
    from dropattack.methods.dropattack_settings import DropAttackSettings
    from dropattack.methods.dropen import Dropen
    from dropattack.methods.dropen_pgd import DropenPGD
    from dropattack.methods.dropout import Dropout
    from dropattack.methods.fast import FGSMRS, NFGSM
    from dropattack.methods.free_attacks import FreeAT, FreeLB
    from dropattack.methods.input_attacks import FGM, FGSM
    from dropattack.methods.msam import MSAM
    from dropattack.methods.penalties import L1, L2
    from dropattack.methods.pgd import PGD
    from dropattack.methods.r_drop import RDrop
    from dropattack.methods.rwp import RWP
    from dropattack.methods.sam import ASAM, ESAM, SAM
    from dropattack.methods.standard import Standard
    from dropattack.methods.trades import TRADES
    from dropattack.methods.vat import VAT
    from dropattack.registry import create, method_named, register, registered
    from dropattack.scaling import LossScale
    from dropattack.step_result import StepResult
    from dropattack.task import Batch, Inputs, Task

_HOMES = {
    "APB": "dropattack.methods.apb",
    "ASAM": "dropattack.methods.sam",
    "AWP": "dropattack.methods.awp",
    "AttackSettings": "dropattack.attack_settings",
    "Batch": "dropattack.task",
    "DropAttack": "dropattack.methods.dropattack",
    "DropAttackSettings": "dropattack.methods.dropattack_settings",
    "Dropen": "dropattack.methods.dropen",
    "DropenPGD": "dropattack.methods.dropen_pgd",
    "Dropout": "dropattack.methods.dropout",
    "ESAM": "dropattack.methods.sam",
    "FGM": "dropattack.methods.input_attacks",
    "FGSM": "dropattack.methods.input_attacks",
    "FGSMRS": "dropattack.methods.fast",
    "FreeAT": "dropattack.methods.free_attacks",
    "FreeLB": "dropattack.methods.free_attacks",
    "Inputs": "dropattack.task",
    "L1": "dropattack.methods.penalties",
    "L2": "dropattack.methods.penalties",
    "LossScale": "dropattack.scaling",
    "MSAM": "dropattack.methods.msam",
    "Method": "dropattack.method",
    "NFGSM": "dropattack.methods.fast",
    "PGD": "dropattack.methods.pgd",
    "RDrop": "dropattack.methods.r_drop",
    "RWP": "dropattack.methods.rwp",
    "SAM": "dropattack.methods.sam",
    "ScheduledSettings": "dropattack.attack_settings",
    "Standard": "dropattack.methods.standard",
    "StepResult": "dropattack.step_result",
    "TRADES": "dropattack.methods.trades",
    "Task": "dropattack.task",
    "VAT": "dropattack.methods.vat",
    "create": "dropattack.registry",
    "method_named": "dropattack.registry",
    "register": "dropattack.registry",
    "registered": "dropattack.registry",
}

__all__ = [
    "APB",
    "ASAM",
    "AWP",
    "ESAM",
    "FGM",
    "FGSM",
    "FGSMRS",
    "INPUT",
    "L1",
    "L2",
    "MSAM",
    "NFGSM",
    "PGD",
    "RWP",
    "SAM",
    "TRADES",
    "VAT",
    "AttackSettings",
    "Batch",
    "DropAttack",
    "DropAttackSettings",
    "Dropen",
    "DropenPGD",
    "Dropout",
    "FreeAT",
    "FreeLB",
    "Inputs",
    "LossScale",
    "Method",
    "RDrop",
    "Range",
    "ScheduledSettings",
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


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("dropattack.methods")
    return getattr(import_module(_HOMES[name]), name)
