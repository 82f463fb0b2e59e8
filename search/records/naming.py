"""What a trial is called where people read it."""

from typing import Any

from dropattack import UsageError
from trainables.trial import Trial

_ALWAYS_NAMED = ("epsilon", "p", "k")
_SYMBOLS = {"epsilon": "ε"}


def run_name(trial: Trial) -> str:
    """A name that tells a trial from others at a glance; of a method that is gone, with every hyperparameter.

    Example: ``dropattack input+conv1.w ε=5 p=0.5 k=1 seed=0``.
    """
    values: dict[str, Any] = dict(trial.hyperparameters)
    targets = [str(values.pop("targets"))] if "targets" in values else []
    defaults = _defaults(trial)
    told = {n: v for n, v in values.items() if n in _ALWAYS_NAMED or v != defaults.get(n)}
    named = [f"{_SYMBOLS.get(n, n)}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in told.items()]
    return " ".join([trial.method, *targets, *named, f"seed={trial.seed}"])


def _defaults(trial: Trial) -> dict[str, Any]:
    try:
        return type(trial.settings)().to_dict()
    except UsageError:
        return {}
