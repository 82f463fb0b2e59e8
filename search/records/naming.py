"""What a trial is called where people read it."""

from typing import Any

from dropattack import method_named
from trainables.trial import Trial

_ALWAYS_NAMED = ("epsilon", "p", "k")
_SYMBOLS = {"epsilon": "ε"}


def run_name(trial: Trial) -> str:
    """A name that tells a trial from others at a glance.

    Example: ``dropattack input+conv1.w ε=5 p=0.5 k=1 seed=0``.
    """
    defaults = method_named(trial.method).settings_type().to_dict()
    values: dict[str, Any] = dict(trial.hyperparameters)
    targets = [str(values.pop("targets"))] if "targets" in values else []
    told = {n: v for n, v in values.items() if n in _ALWAYS_NAMED or v != defaults[n]}
    named = [f"{_SYMBOLS.get(n, n)}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in told.items()]
    return " ".join([trial.method, *targets, *named, f"seed={trial.seed}"])
