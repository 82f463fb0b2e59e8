"""The data that a sweep needs: their options, and whether they are there and whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dropattack import UsageError
from search.definition.options import option_spaces, splits_of
from search.definition.space import bounds, combinations
from search.definition.sweep import Sweep
from search.engine.proposers import Checksum
from trainables.digest import digest
from trainables.recipe.splitting import train_sizes
from trainables.workloads import workload_named

DataOptions = tuple[str, dict[str, Any]]
"""Name of a workload, and options of its dataset."""


def verified_data(sweep: Sweep, root: Path, whole: Sweep | None = None) -> Checksum:
    """Checks that all data of a sweep are there, whole and enough; returns a function for their digests.

    Args:
        sweep: What to run.
        root: The data root.
        whole: The whole sweep, whose workloads with data can run instead.

    Raises:
        UsageError: Files are missing or damaged, or a trial would train on more examples than there are.
    """
    known: dict[str, str] = {}

    def checksum(workload: str, options: Mapping[str, Any]) -> str:
        name = digest(workload, dict(options))
        if name not in known:
            known[name] = workload_named(workload).checksum(root, options)
        return known[name]

    try:
        for workload, options in data_options(sweep):
            checksum(workload, options)
    except UsageError as error:
        raise UsageError(f"{error}{_instead(whole or sweep, root)}") from error
    _check_sizes(sweep, root)
    return checksum


def _instead(sweep: Sweep, root: Path) -> str:
    """How to run the workloads whose data are here, as the end of a sentence; empty if there are none."""
    there = [workload for workload in sweep.workloads if not missing_data(sweep, workload, root)]
    return f"; --only {','.join(there)} runs the part whose data are here" if there else ""


def missing_data(sweep: Sweep, workload: str, root: Path) -> str:
    """What is missing of the data of a sweep's workload, in a line; empty if nothing is."""
    try:
        for name, options in data_options(sweep):
            if name == workload:
                workload_named(name).checksum(root, options)
    except UsageError as error:
        return str(error)
    return ""


def remarks_on_left_out(sweep: Sweep, asked: Sweep, root: Path) -> list[str]:
    """A line for each workload that is left out of a sweep, with what is missing of its data."""
    out = [workload for workload in sweep.workloads if workload not in asked.workloads]
    found = {workload: missing_data(sweep, workload, root) for workload in out}
    return [
        f"left out: {workload}, {f'whose data are missing: {lacks}' if lacks else 'whose data are here'}"
        for workload, lacks in found.items()
    ]


def remarks_on_incomplete_data(sweep: Sweep, root: Path) -> list[str]:
    """Lines on which data of a sweep are only a part of the published ones.

    Example: ``agnews-bigru trains on a part of its dataset: 400 of the 127,600 published examples``.
    """
    found: dict[str, None] = {}
    for workload, options in data_options(sweep):
        lacking = workload_named(workload).incomplete(root, options)
        if lacking:
            found[f"{workload} trains on a part of its dataset: {lacking}"] = None
    return list(found)


def _check_sizes(sweep: Sweep, root: Path) -> None:
    """Refuses a ``train_size`` above the number of examples; loads data only for a trial that sets one."""
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            spaces = option_spaces(sweep, stage, workload)
            splits = splits_of(sweep, stage, workload)
            wanted = max(int(size) for size in bounds(spaces["training"].get("train_size", 0)))
            for options in combinations(spaces["data"]) if wanted else ():
                there = min(train_sizes(splits, workload_named(workload).load(root, options)))
                if wanted > there:
                    raise UsageError(
                        f"training.train_size {wanted:,} is more than the {there:,} examples that {workload} "
                        "trains on; lower it, or leave it out for all"
                    )


def data_options(sweep: Sweep) -> Iterator[DataOptions]:
    """Every workload of a sweep with every set of data options under which it trains."""
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            for options in combinations(option_spaces(sweep, stage, workload)["data"]):
                yield workload, options
