"""A user's own code in a trial: that of the workload and of the method."""

import sys
from collections.abc import Mapping

from dropattack import UsageError, method_named
from trainables.adapters.model import FunctionModel
from trainables.code.definition import code_of
from trainables.workloads import workload_named


def user_code(workload: str, method: str) -> dict[str, str]:
    """Digests by module of a user's own code; empty if workload and method both ship.

    A workload's code is the module that its name or its package's entry point names, and the modules of its
    dataset and its architecture.

    Raises:
        UsageError: A definition's source does not decide what it computes; see `code_of`.
    """
    return {**_workload_code(workload), **_modules(method_named(method))}


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the modules that differ between two codes, in order."""
    names = sorted({*recorded, *now})
    return [name for name in names if recorded.get(name) != now.get(name)]


def check_code(workload: str, method: str, code: Mapping[str, str]) -> None:
    """Checks that a process is about to run the code in a trial's key.

    Raises:
        UsageError: A module has changed.
    """
    if code and (other := changed(code, user_code(workload, method))):
        raise UsageError(f"{' and '.join(other)} changed since this trial was planned; run the sweep again")


def _workload_code(name: str) -> dict[str, str]:
    workload = workload_named(name)
    module, _, function = name.partition(":")
    found = _modules(type(workload.dataset)) | _modules(type(workload.architecture))
    if isinstance(workload.architecture, FunctionModel):
        found |= _modules(sys.modules[type(workload.architecture).builder.__module__])
    if function:
        defined = getattr(sys.modules[module], function)
        found |= _modules(sys.modules[module])
        found |= _modules(defined) if callable(defined) else {}
    return found


def _modules(definition: object) -> dict[str, str]:
    code = code_of(definition)
    return {} if code is None else dict(code.modules)
