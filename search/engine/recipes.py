"""Finds recipes with which the data cannot be trained, before anything starts, also for a plan."""

from pathlib import Path

from dropattack import UsageError
from search.definition.options import default_options, option_spaces, place_of_settings, splits_of
from search.definition.space import bounds, combinations
from search.definition.sweep import Stage, Sweep
from trainables.data.dataset import Data
from trainables.objectives import Classification
from trainables.papers import PAPERS
from trainables.recipe.augmentation import NONE, check_augmentation, check_range
from trainables.recipe.splitting import LEAVE_ONE_GROUP_OUT, train_sizes
from trainables.workload import Workload
from trainables.workloads import workload_named

_SHIPPED = {workload.name for workload in PAPERS}


def check_recipes(sweep: Sweep, root: Path) -> None:
    """Checks that labels fit the objective, and that data can be split and augmented as asked.

    It loads data only if the workload is the user's, its objective is not plain classification, something is
    augmented, or a group is left out.

    Args:
        sweep: A sweep whose data are there.
        root: The data root.

    Raises:
        UsageError: Labels do not fit, or data cannot be split or augmented; the message says what to do.
    """
    for stage in sweep.stages:
        for workload in map(workload_named, sweep.stage_workloads(stage)):
            try:
                _check(sweep, stage, workload, root)
            except UsageError as error:
                raise UsageError(f"{place_of_settings(stage, workload.name)}: {error}") from None


def _check(sweep: Sweep, stage: Stage, workload: Workload, root: Path) -> None:
    spaces = option_spaces(sweep, stage, workload.name)
    usual = default_options(workload.name)["training"]["augment"]
    augmentations = [str(name) for name in bounds(spaces["training"].get("augment", usual)) if name != NONE]
    splits = splits_of(sweep, stage, workload.name)
    plain = workload.name in _SHIPPED and workload.objective == Classification()
    if plain and not augmentations and LEAVE_ONE_GROUP_OUT not in splits:
        return
    for options in combinations(spaces["data"]):
        data = workload.load(root, options)
        train_sizes(splits, data)
        workload.objective.loss(data.train, data, 0.0)
        for name in augmentations:
            _try(workload, name, data)


def _try(workload: Workload, name: str, data: Data) -> None:
    augment = workload.augmentation(name)
    if augment is not None:
        check_augmentation(name, augment, data.train)
        check_range(name, augment, data.train, data.bounds)
