"""The experiment of a sweep in MLflow: found whatever was done to it, or made."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType

from search.definition.sweep import Sweep
from search.tracking.tags import STORE, SWEEP
from search.tracking.views import view_tags

_SHORT = 8


def find_experiment(client: MlflowClient, sweep: str, owner: str = "") -> Experiment | None:
    """The experiment that shows a sweep of a store, deleted or not; ``None`` if there is none.

    Its tags identify it, so that renaming it does no harm. Its name identifies one without tags, from an
    earlier version or after someone removed them.

    Args:
        client: Asks MLflow.
        sweep: Name of the sweep.
        owner: Id of the store, where MLflow may show those of others too; see `owner_of`. Empty where all
            sweeps in MLflow are this store's.
    """
    tags = {SWEEP: sweep, **({STORE: owner} if owner else {})}
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    tagged = client.search_experiments(ViewType.ALL, filter_string=wanted)
    if tagged:
        return min(tagged, key=lambda e: (_deleted(e), e.name != sweep, int(e.experiment_id)))
    for name in itertools.islice(_names(sweep, owner), 2):
        named = client.get_experiment_by_name(name)
        if named is not None and _may_be_of(named, sweep, owner):
            return named
    return None


class OwnExperiment(NamedTuple):
    """The experiment of a sweep, which is there and not deleted.

    Attributes:
        experiment_id: Its id.
        restored: Whether it was deleted; with it MLflow restores all of its runs.
    """

    experiment_id: str
    restored: bool


def own_experiment(
    client: MlflowClient, sweep: str, artifacts: Path | None, owner: str = ""
) -> OwnExperiment:
    """The experiment that shows a sweep of a store.

    It restores a deleted one, and makes one if there is none.

    Where the sweep's name is that of another store's experiment, the new one's name has the store's id too.

    Args:
        client: Asks MLflow.
        sweep: Name of the sweep.
        artifacts: Where a new experiment keeps its artifacts; ``None`` leaves that to the server.
        owner: See `find_experiment`.
    """
    tags = {SWEEP: sweep, **({STORE: owner} if owner else {})}
    found = find_experiment(client, sweep, owner)
    if found is None:
        name = next(name for name in _names(sweep, owner) if client.get_experiment_by_name(name) is None)
        location = None
        if artifacts is not None:
            artifacts.mkdir(parents=True, exist_ok=True)
            location = artifacts.resolve().as_uri()
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return OwnExperiment(str(client.create_experiment(name, location, kind | tags)), restored=False)
    deleted = _deleted(found)
    if deleted:
        client.restore_experiment(found.experiment_id)
    for tag, value in tags.items():
        if found.tags.get(tag) != value:
            client.set_experiment_tag(found.experiment_id, tag, value)
    return OwnExperiment(str(found.experiment_id), deleted)


def _names(sweep: str, owner: str) -> Iterator[str]:
    """The names that a sweep's experiment may have, the best first."""
    yield sweep
    short = owner[:_SHORT] or "2"
    yield f"{sweep} ({short})"
    yield from (f"{sweep} ({short}, {number})" for number in itertools.count(2))


def _may_be_of(experiment: Experiment, sweep: str, owner: str) -> bool:
    """Whether no tag says that an experiment is another store's or another sweep's."""
    of_store = not owner or experiment.tags.get(STORE, owner) == owner
    return of_store and experiment.tags.get(SWEEP, sweep) == sweep


def _deleted(experiment: Experiment) -> bool:
    return bool(experiment.lifecycle_stage != "active")


def set_views(client: MlflowClient, experiment_id: str, sweep: Sweep) -> None:
    """Keeps the saved views of a sweep in its experiment; see `search.tracking.views`."""
    experiment = client.get_experiment(experiment_id)
    for tag, value in view_tags(sweep, int(experiment.creation_time or 0)).items():
        if experiment.tags.get(tag) != value:
            client.set_experiment_tag(experiment_id, tag, value)
