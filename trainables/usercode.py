"""A user's own code in a trial: that of the workload and of the method."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

from dropattack import UsageError, method_named
from trainables.adapters.model import FunctionModel
from trainables.code.definition import code_of
from trainables.code.standing import differs
from trainables.workload import Workload
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


def changed_since(code: Mapping[str, str], workload: Workload) -> list[str]:
    """Names of a user's modules that are not those in the code of a trained model, in order.

    It imports nothing, and a comment is no change (`code_of`). A module of that code that is not here has not
    changed; `workload` may come from it under another name, and then its source decides.

    Args:
        code: The code in the trial's key; empty if all ships, and in models of early versions.
        workload: What builds the model now.
    """
    found = {name for name, value in code.items() if differs(name, value)}
    if code:
        with suppress(UsageError):  # a workload made in a notebook has no source to compare
            now = _parts_code(workload).items()
            found |= {name for name, value in now if name not in code and value not in code.values()}
    return sorted(found)


def files_of(modules: Iterable[str]) -> str:
    """The files of modules, as people call them: ``mine.py and lib/helper.py``."""
    return " and ".join(f"{module.replace('.', '/')}.py" for module in modules)


def _workload_code(name: str) -> dict[str, str]:
    module, _, function = name.partition(":")
    found = _parts_code(workload_named(name))
    if function:
        defined = getattr(sys.modules[module], function)
        found |= _modules(sys.modules[module])
        found |= _modules(defined) if callable(defined) else {}
    return found


def _parts_code(workload: Workload) -> dict[str, str]:
    """The code of a workload's dataset and model."""
    found = _modules(type(workload.dataset)) | _modules(type(workload.architecture))
    if isinstance(workload.architecture, FunctionModel):
        found |= _modules(sys.modules[type(workload.architecture).builder.__module__])
    return found


def _modules(definition: object) -> dict[str, str]:
    code = code_of(definition)
    return {} if code is None else dict(code.modules)
