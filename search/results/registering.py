"""Registers models of a sweep in MLflow's registry, where others find them by name."""

import tempfile
from pathlib import Path

from dropattack import UsageError
from search.records.redaction import without_credentials
from search.records.store import Store
from search.results.modelled import baselines, write_mlflow_model
from search.results.recommended import recommended
from search.results.reporting import tables_of
from search.results.verdict import verdicts_of
from search.tracking.database import make_ready
from search.tracking.shown import ShownRuns, shown_of
from search.tracking.trouble import advice, line

WINNER, BASELINE = "winner", "baseline"
"""Aliases of the registered versions: ``models:/NAME@winner``."""


def register(store: Store, name: str, data: Path, tracking_uri: str, model: str) -> list[str]:
    """Registers the models of what a sweep recommends and of its baseline, as versions of one model.

    It writes each again as a graph if `torch.export` can, so that loading it needs no user code.

    Args:
        store: Where the sweep is.
        name: Its name.
        data: The data root, for the input example.
        tracking_uri: MLflow server; the store's own database where it is empty.
        model: Name of the registered model; with several workloads, each has its own, ``NAME-WORKLOAD``.

    Returns:
        A line for each version: its address, and the model's trial.

    Raises:
        UsageError: Nothing is recommended yet, MLflow does not show the trial, or it refuses.
    """
    sweep = store.recorded(name)
    records = store.journal(sweep).records
    noted = verdicts_of(tables_of(sweep, store, records, ShownRuns()))
    plain = baselines(sweep, records, noted)
    found = [(WINNER, record) for _, record in recommended(sweep, records, noted)]
    found += [
        (BASELINE, plain[verdict["workload"]])
        for verdict in noted["verdicts"]
        if verdict["workload"] in plain
    ]
    if not found:
        raise UsageError(f"{name} recommends nothing yet, so there is no model to register; run it first")
    if not tracking_uri:
        make_ready(store)
    ids, uri = shown_of(store, name, tracking_uri).ids, tracking_uri or store.tracking_uri
    lines = []
    for alias, record in found:
        run, file = ids.get(record.key), store.model(name, record)
        if not file.exists():
            raise UsageError(f"the model of {record.name} is not here; copy {file} from where it was trained")
        if run is None:
            raise UsageError(
                f"MLflow at {without_credentials(uri)} does not show {record.name} with its model; "
                f"`dropattack run {name}` adds it"
            )
        registered = model if len(noted["verdicts"]) == 1 else f"{model}-{record.trial.workload}"
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            card = write_mlflow_model(folder, store, sweep, record, noted, data, graph=True)
            try:
                version = _add_version(uri, run, folder, registered, alias, card)
            except Exception as error:
                why = "; ".join(filter(None, [line(error), advice(error, uri)]))
                raise UsageError(f"MLflow did not register {registered!r}: {why}") from error
        lines.append(f"models:/{registered}@{alias} is version {version}: {record.name}")
    return lines


def _add_version(uri: str, run: str, folder: Path, name: str, alias: str, card: str) -> str:
    """Logs a model with its run, and registers it; the alias moves to the new version."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from search.tracking.files import RunFiles

    client = MlflowClient(uri, registry_uri=uri)
    place = client.get_run(run).info.artifact_uri
    RunFiles(place, uri).put(folder, "model")
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    version = client.create_model_version(name, f"{place}/model", run, description=card)
    client.set_registered_model_alias(name, alias, version.version)
    return str(version.version)
