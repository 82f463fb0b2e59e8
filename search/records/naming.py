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
    values = telling(trial)
    targets = [str(values.pop("targets"))] if "targets" in values else []
    named = [
        f"{_SYMBOLS.get(n, n)}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in values.items()
    ]
    return " ".join([trial.method, *targets, *named, f"seed={trial.seed}"])


def telling(trial: Trial) -> dict[str, Any]:
    """The hyperparameters that tell a trial from others; of a method that is gone, all of them."""
    values, defaults = dict(trial.hyperparameters), _defaults(trial)
    always = ("targets", *_ALWAYS_NAMED)
    return {n: v for n, v in values.items() if n in always or n not in defaults or v != defaults[n]}


def _defaults(trial: Trial) -> dict[str, Any]:
    try:
        return type(trial.settings)().to_dict()
    except UsageError:
        return {}
