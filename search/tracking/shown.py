"""What MLflow shows of a sweep, for readers of its runs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, ViewType

from dropattack import UsageError
from search.records.redaction import without_credentials
from search.records.store import Store
from search.tracking.database import is_there, make_ready
from search.tracking.experiments import find_experiment
from search.tracking.owner import known_owner_of
from search.tracking.tags import KEY
from search.tracking.trouble import advice, line

_PAGE = 200


@dataclass(frozen=True)
class ShownRuns:
    """Where MLflow shows trials.

    Attributes:
        url: Address of a run, with ``{run_id}`` in it.
        ids: Run id by trial key.
    """

    url: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


def shown_runs(uri: str, sweep: str, owner: str = "") -> ShownRuns:
    """Asks MLflow which runs it shows of a sweep; none if it cannot be reached.

    Args:
        uri: Tracking URI.
        sweep: Name of the sweep.
        owner: Id of the store, where MLflow may show those of others too.
    """
    try:
        return _asked(MlflowClient(uri), uri, sweep, owner) if is_there(uri) else ShownRuns()
    except Exception:
        return ShownRuns()


def shown_of(store: Store, sweep: str, tracking_uri: str) -> ShownRuns:
    """Asks MLflow which runs it shows of a sweep of a store; none where it cannot be asked.

    Args:
        store: The store.
        sweep: Name of the sweep.
        tracking_uri: MLflow server; empty for the store's own database.
    """
    try:
        if tracking_uri:
            return shown_runs(tracking_uri, sweep, known_owner_of(store))
        make_ready(store)
    except UsageError:
        return ShownRuns()
    return shown_runs(store.tracking_uri, sweep) if (store.root / "mlflow.db").exists() else ShownRuns()


def add_metrics(
    store: Store, sweep: str, tracking_uri: str, measured: Mapping[str, Mapping[str, float]]
) -> str:
    """Shows metrics that came after the training on the runs of their trials; those without one are left out.

    Args:
        store: The store.
        sweep: Name of the sweep.
        tracking_uri: MLflow server; empty for the store's own database.
        measured: Metrics by trial key.

    Returns:
        Why MLflow did not take them, and what to do; empty if it took them.
    """
    at, uri = int(time.time() * 1000), tracking_uri or store.tracking_uri
    try:
        if not tracking_uri:
            make_ready(store)
        if not is_there(uri):
            return ""
        client = MlflowClient(uri)
        ids = _asked(client, uri, sweep, known_owner_of(store) if tracking_uri else "").ids
        for key, metrics in measured.items():
            if key in ids:
                values = [Metric(name, value, at, 0) for name, value in metrics.items()]
                client.log_batch(ids[key], values)
    except Exception as error:
        place, then = without_credentials(uri), advice(error, uri)
        return "; ".join(filter(None, [f"MLflow at {place} did not take the metrics ({line(error)})", then]))
    return ""


def _asked(client: MlflowClient, uri: str, sweep: str, owner: str) -> ShownRuns:
    """The runs that MLflow shows of a sweep; any error of MLflow is raised."""
    experiment = find_experiment(client, sweep, owner)
    if experiment is None:
        return ShownRuns()
    runs = all_runs(client, experiment.experiment_id, ViewType.ACTIVE_ONLY)
    ids = {run.data.tags[KEY]: run.info.run_id for run in runs if KEY in run.data.tags}
    return ShownRuns(run_url(uri, experiment.experiment_id), ids)


def run_url(uri: str, experiment: str) -> str:
    """Address of a run: on the tracking server, or where `dropattack ui` serves a store."""
    server = without_credentials(uri).rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{server}/#/experiments/{experiment}/runs/{{run_id}}"


def all_runs(client: MlflowClient, experiment: str, view: int = ViewType.ALL) -> Iterator[Run]:
    """Every run of an experiment; the deleted ones too, where the view has them.

    They come a page to a request: MLflow's form of a run takes many times the memory of what it says.
    """
    token = None
    while True:
        page = client.search_runs([experiment], run_view_type=view, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
