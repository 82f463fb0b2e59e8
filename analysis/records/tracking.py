"""Records from an MLflow server or database, asked for in bulk: never one request per run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.aims import PASSES, SCORE, Rule
from analysis.records.identity import CONFIGURATION, CONTROL
from analysis.records.tables import COMPLETE, Records
from analysis.records.tidying import NUMBERS
from dropattack import UsageError
from trainables.recipe.measured import SMALLER_IS_BETTER
from trainables.sealing import CHECKSUM
from trainables.trial import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000
_RUNS_PER_REQUEST = 100
_MOST_VALUES = 25_000
_TAGS = ("key", CONFIGURATION, CONTROL, "sweep", "stage", "state", "reason", "reused_from")
_TAGGED = ("best_epoch", "seconds", "train_seconds")
"""Numbers that runs have as tags."""
_BEST = "best/"
"""What the metrics begin with that a trial is judged by."""
_STATES = {"FINISHED": COMPLETE, "FAILED": "failed", "KILLED": "failed"}


def from_mlflow(tracking_uri: str, sweep: str) -> Records:
    """Reads a sweep back from MLflow.

    A sweep is an experiment of its name: a parent run tagged ``dropattack.kind=sweep``, ``dropattack.select``
    and ``.mode``, with the artifact ``sweep.json``, and under it one run per training, tagged
    ``dropattack.kind=trial`` and ``dropattack.key``, ``.configuration_id``, ``.control_experiment``,
    ``.stage``, ``.state``, ``.reason``, with hyperparameters and ``training.*`` as params, metrics per epoch
    (the step), and the best validation value as the metric ``best/valid_*``. A training that was asked for
    under several names is there under the one that trained it. Runs come 1000 to a request, metric histories
    of up to 100 runs to a request.

    Args:
        tracking_uri: A server's address, or a database such as ``sqlite:///runs/mlflow.db``.
        sweep: Name of the sweep.

    Raises:
        UsageError: There is no experiment of that name.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        raise UsageError(
            f"MLflow at {tracking_uri} has no sweep {sweep!r}; run it, or name another with --store"
        )
    parents = list(_runs(client, experiment.experiment_id, "sweep"))
    noted: dict[str, str] = dict(parents[0].data.tags) if parents else {}
    run = _prefixed(noted, "dropattack.run.")
    runs = list(_runs(client, experiment.experiment_id, "trial"))
    raw: dict[str, Any] = _sweep_file(client, parents[0].info.run_id) if parents else {}
    select: dict[str, Any] = raw.get("select") or {}
    metric = noted.get("dropattack.select") or str(select.get("metric", "accuracy"))
    own = "min" if metric.removeprefix("valid_") in SMALLER_IS_BETTER else "max"
    mode = noted.get("dropattack.mode") or str(select.get("mode") or own)
    server = tracking_uri.startswith(("http://", "https://"))
    address = f"{tracking_uri.rstrip('/')}/#/experiments/{experiment.experiment_id}/runs/{{run_id}}"
    select_column = metric if metric.startswith("valid_") else f"valid_{metric}"
    trials = [_trial(run, select_column) for run in runs]
    rule = Rule.of(select)
    if rule.several:
        trials = [trial | _aimed_at(rule, trial, run) for trial, run in zip(trials, runs, strict=True)]
        select_column, mode = rule.decides.column, "max" if rule.decides.sign > 0 else "min"
    epochs = _epochs(client, runs, [str(trial["key"]) for trial in trials])
    return Records(
        trials=_with_seconds(pd.DataFrame(trials), epochs),
        epochs=epochs,
        sweep={"name": sweep, **raw},
        select=select_column,
        mode=mode,
        versions=_prefixed(noted, "dropattack.version."),
        runs=[run] if run else [],
        run_url=address if server else "",
    )


def _runs(client: "MlflowClient", experiment: str, kind: str) -> Iterator["Run"]:
    token = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`dropattack.kind` = '{kind}'", 1, _PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _sweep_file(client: "MlflowClient", run_id: str) -> dict[str, Any]:
    from mlflow.artifacts import load_text
    from mlflow.exceptions import MlflowException

    uri = client.get_run(run_id).info.artifact_uri
    try:
        raw: dict[str, Any] = json.loads(load_text(f"{uri}/sweep.json"))
    except (MlflowException, OSError):
        return {}
    raw.pop(CHECKSUM, None)
    return raw


def _trial(run: "Run", select: str) -> dict[str, Any]:
    tags, metrics = run.data.tags, run.data.metrics
    row: dict[str, Any] = {name: tags.get(f"dropattack.{name}", "") for name in _TAGS}
    row |= {} if row[CONFIGURATION] else _identity(tags)
    row["key"] = row["key"] or run.info.run_id
    row["state"] = row["state"] or _STATES.get(run.info.status, "running")
    row["run_id"] = run.info.run_id
    row["epochs"] = _epochs_of(run)
    row |= {name: float(tags[f"dropattack.{name}"]) for name in _TAGGED if tags.get(f"dropattack.{name}")}
    row["value"] = metrics.get(f"{_BEST}{select}", metrics.get("value"))
    final = {n: v for n, v in metrics.items() if n not in ("epoch", "seconds") and not n.startswith(_BEST)}
    return {**final, **run.data.params, **{k: v for k, v in row.items() if v is not None}}


def _aimed_at(rule: Rule, trial: Mapping[str, Any], run: "Run") -> dict[str, Any]:
    """Values of several aims, and what the rule goes by: of the best epoch, not of the last one."""
    metrics, passes = run.data.metrics, float(run.data.params.get("passes", "nan"))
    spent = passes * (trial.get("epochs") or 0)
    names = [goal.metric for goal in rule.goals]
    valid: dict[str, float | None] = {name: metrics.get(f"{_BEST}valid_{name}") for name in names}
    test: dict[str, float | None] = {name: metrics.get(f"test_{name}") for name in names}
    if PASSES in names and trial["state"] == "complete":
        valid[PASSES] = test[PASSES] = spent
    found = {"valid": valid, "test": test}
    for values in found.values():
        values |= {SCORE: rule.value(values)} if rule.weights else {}
    told = {f"{split}_{name}": value for split, own in found.items() for name, value in own.items()}
    return told | {"value": rule.value(valid)}


def _epochs_of(run: "Run") -> int | None:
    """How many epochs a run shows: the last step of a curve, and of runs of earlier versions a metric."""
    steps = [m.step for m in run.data._metric_objs if m.key.startswith(("train_", "valid_"))]
    return max(*steps, int(run.data.metrics.get("epoch", 0)), 0) or None


def _identity(tags: Mapping[str, str]) -> dict[str, str]:
    """Who a run's trial is, of runs from before they said so; nothing where its trial cannot be resolved."""
    try:
        key, configuration, control = Trial.from_dict(json.loads(tags["dropattack.trial"])).identity
    except (KeyError, TypeError, ValueError):
        return {}
    return {"key": key, CONFIGURATION: configuration, CONTROL: control}


def _with_seconds(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Gives trials of earlier versions the seconds of all their epochs, which were a metric."""
    if "seconds" not in epochs:
        return trials
    whole = epochs.groupby("key")["seconds"].sum()
    seconds = trials["key"].map(whole)
    return trials.assign(seconds=trials["seconds"].fillna(seconds) if "seconds" in trials else seconds)


def _epochs(client: "MlflowClient", runs: list["Run"], trials: list[str]) -> pd.DataFrame:
    """Every metric's history, as one row per trial and epoch; ``trials`` are the runs' keys."""
    keys = {run.info.run_id: key for run, key in zip(runs, trials, strict=True)}
    names = sorted({name for run in runs for name in run.data.metrics} - {*NUMBERS, "epoch"} | {"seconds"})
    names = [name for name in names if not name.startswith(("test_", _BEST))]
    most = max((_epochs_of(run) or 1 for run in runs), default=1)
    together = max(min(_RUNS_PER_REQUEST, _MOST_VALUES // max(most, 1)), 1)
    values = [
        (keys[run_id], step, name, value)
        for name in names
        for chunk in _chunks(list(keys), together)
        for run_id, step, value in _history(client, chunk, name)
    ]
    if not values:
        return pd.DataFrame()
    long = pd.DataFrame(values, columns=["key", "epoch", "metric", "value"])
    wide = long.pivot_table(index=["key", "epoch"], columns="metric", values="value", aggfunc="last")
    return wide.reset_index().rename_axis(columns=None)


def _history(client: "MlflowClient", run_ids: list[str], metric: str) -> Iterable[tuple[str, int, float]]:
    """``(run, step, value)`` of one metric for many runs, in one request."""
    store = client._tracking_client.store
    if hasattr(store, "get_metric_history_bulk"):
        found = store.get_metric_history_bulk(run_ids, metric, _MOST_VALUES)
        return [(entry.run_id, entry.step, entry.value) for entry in found]
    from mlflow.utils.rest_utils import http_request

    response = http_request(
        host_creds=store.get_host_creds(),
        endpoint="/ajax-api/2.0/mlflow/metrics/get-history-bulk",
        method="GET",
        params=[*(("run_id", run_id) for run_id in run_ids), ("metric_key", metric)],
    )
    response.raise_for_status()
    return [(entry["run_id"], entry["step"], entry["value"]) for entry in response.json()["metrics"]]


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _prefixed(tags: dict[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in tags.items() if name.startswith(prefix)}
