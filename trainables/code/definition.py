"""The code behind a user's own definition: a workload, a method, a dataset or a metric."""

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from dropattack import UsageError
from trainables.code.modules import find, own_modules
from trainables.code.origin import Origin, distribution_of, origin_of, version_of
from trainables.digest import digest


@dataclass(frozen=True)
class Code:
    """The code that a definition computes with.

    Attributes:
        modules: For each module's name a digest of its source, 16 hexadecimal digits; for each installed
            distribution's name its version. It holds no path, so that a folder may be moved.
    """

    modules: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over all modules; they change with any of them."""
        return digest(dict(self.modules))


def code_of(definition: object) -> Code | None:
    """Finds the code of a user's own definition, without running any of it.

    It consists of the module that defines it and of the user's own modules that this module imports, also
    inside functions and through other modules (`trainables.code.modules`). Comments, docstrings and layout do
    not count (`trainables.code.normal_form`).

    - *The user's own* are files outside of installed packages, editable installs, and packages that were
      installed from a folder.
    - A definition in any other installed distribution counts by the distribution's name and version, and by
      its commit if it was installed from a repository.
    - The standard library and this project's packages do not count; ``TRAINING_VERSION`` covers the latter.
    - Installed distributions that the user's modules import (torch, numpy) do not count: records hold their
      versions, and an upgrade must not rename every trial.

    It misses data files, modules imported by a computed name, and what a definition takes from its
    environment. The digest is of the files as they are now, not of what this process imported earlier.

    Args:
        definition: A function, a class or a module; for an object such as a `Workload`, the module that holds
            it as a global. A decorated function counts as the one that it wraps.

    Returns:
        The code; ``None`` for definitions of the standard library and of this project.

    Raises:
        UsageError: The source does not decide what the definition computes (a lambda, a
            ``functools.partial``, a bound method, a definition inside a function), there is no source (a
            notebook, whose cells use each other's names; ``exec``), or a file cannot be read or parsed.
    """
    definition = inspect.unwrap(definition, stop=_has_state) if callable(definition) else definition
    module, name = _place(definition)
    spec = find(module)
    if spec is None or not (spec.has_location or spec.origin in _WITHOUT_FILE):
        where = "in a notebook or at a prompt" if module == "__main__" else f"in {module}, which has no file"
        raise _refused(definition, f"it is defined {where}")
    origin = origin_of(spec)
    if origin is Origin.PLATFORM:
        return None
    if origin is Origin.INSTALLED:
        distribution = distribution_of(spec)
        if distribution is None:
            raise _refused(definition, f"no installed distribution lists {spec.origin}")
        return Code({distribution.metadata["Name"]: version_of(distribution)})
    sources = own_modules(spec)
    defines = sources[spec.name].defines
    if name and defines is not None and name not in defines:
        raise _refused(definition, f"{spec.origin} does not define it")
    return Code({module: source.digest for module, source in sorted(sources.items())})


_WITHOUT_FILE = {"built-in", "frozen"}
"""Origins of the modules that are part of the interpreter."""


def _has_state(definition: object) -> bool:
    """Whether a callable holds values beside its source, though it may look like the function it wraps."""
    return isinstance(definition, functools.partial | MethodType)


def _place(definition: Any) -> tuple[str, str | None]:
    """The module that a definition is part of, and its name there; a module itself has none."""
    if isinstance(definition, ModuleType):
        return definition.__name__, None
    if isinstance(definition, functools.partial):
        raise _refused(definition, "a functools.partial holds values that its source does not show")
    if isinstance(definition, MethodType):
        raise _refused(definition, "a bound method depends on its object")
    if not isinstance(definition, FunctionType | BuiltinFunctionType | type) or not definition.__module__:
        raise _refused(definition, "it is neither a function nor a class of a module")
    name = definition.__qualname__.rpartition(".")[2]
    if name == "<lambda>":
        raise _refused(definition, "a lambda has no name")
    if "<locals>" in definition.__qualname__:
        raise _refused(definition, "it is made inside a function, or its decorator lacks functools.wraps")
    return definition.__module__, name


def _refused(definition: object, reason: str) -> UsageError:
    name = getattr(definition, "__qualname__", None) or f"a {type(definition).__name__}"
    return UsageError(
        f"the source of {name} does not decide what it computes: {reason}; "
        "write it with def or class at the top of a file of yours and import it from there"
    )
