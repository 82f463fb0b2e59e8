"""Settings beside the method's: those of a sweep that a workload has, and the workload's own for the rest."""

from collections.abc import Mapping
from typing import Any

from search.definition.space import Space, bounds
from search.definition.sweep import SECTIONS, Stage, Sweep
from trainables.workloads import workload_named

Options = Mapping[str, Mapping[str, Any]]
"""Values by section (one of `SECTIONS`) and name."""


def default_options(name: str) -> dict[str, dict[str, Any]]:
    """All settings of the workload of that name by section, with their defaults."""
    workload = workload_named(name)
    settings = (workload.training, workload.data_settings(), workload.model_settings())
    return {section: each.to_dict() for section, each in zip(SECTIONS, settings, strict=True)}


def place_of_settings(stage: Stage, workload: str) -> str:
    """Where a mistake in a workload's settings was written: in a stage only if that sets any of its own."""
    own = any(getattr(stage, section) for section in SECTIONS)
    return f"stage {stage.name!r}, {workload}" if own else workload


def splits_of(sweep: Sweep, stage: Stage, workload: str) -> list[str]:
    """Every value of ``training.split`` in a stage's trials."""
    usual = default_options(workload)["training"]["split"]
    training = option_spaces(sweep, stage, workload)["training"]
    return [str(split) for split in bounds(training.get("split", usual))]


def option_spaces(sweep: Sweep, stage: Stage, workload: str) -> dict[str, Space]:
    """What a stage sets or searches beside the method, by section.

    A sweep over several workloads may set what only some of them have, such as ``fix_length`` for texts; each
    takes what it knows.
    """
    known = default_options(workload)
    return {
        section: {n: d for n, d in sweep.section(stage, section).items() if n in known[section]}
        for section in SECTIONS
    }
