"""Finds examples that are in several splits, which make a test easier than new data."""

from collections.abc import Iterator
from pathlib import Path

from search.definition.options import option_spaces
from search.definition.space import combinations
from search.definition.sweep import Sweep
from trainables.adapters.images import ImageFolder
from trainables.adapters.table import Table
from trainables.workloads import workload_named


def remarks_on_repetitions(sweep: Sweep, root: Path) -> list[str]:
    """Lines on how many validation or test examples are in the training split too.

    It checks tables and folders of images; in text datasets each text counts in one split only.

    Example: ``churn:workload: 12 of 114 test examples stand in the training split too; leave repetitions
    out, or name the splits yourself``.

    Args:
        sweep: A sweep that could be run.
        root: The data root.
    """
    return list(dict.fromkeys(_remarks(sweep, root)))


def _remarks(sweep: Sweep, root: Path) -> Iterator[str]:
    for stage in sweep.stages:
        for name in sweep.stage_workloads(stage):
            workload = workload_named(name)
            if not isinstance(workload.dataset, Table | ImageFolder):
                continue
            for options in combinations(option_spaces(sweep, stage, name)["data"]):
                data = workload.load(root, options)
                for split, of in (("valid", data.valid), ("test", data.test)):
                    if count := int(data.facts.get(f"{split}_in_train", 0)):
                        yield f"{name}: {count} of {len(of)} {_SAID[split]} {_ADVICE}"


_ADVICE = "examples stand in the training split too; leave repetitions out, or name the splits yourself"
_SAID = {"valid": "validation", "test": "test"}
