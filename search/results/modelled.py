"""Models of a sweep in MLflow: the recommended one, the one that validation chooses, and the baseline's."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropattack import Inputs
from search.definition.sweep import Sweep
from search.records.naming import telling
from search.records.notes import NotedVerdicts
from search.records.record import Record, State
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.recommended import recommended
from search.tracking.models import Card, write_model
from trainables.workloads import workload_named

_EXAMPLES = 4
"""How many test examples are loaded; a model's example takes the first of them."""


def winners(sweep: Sweep, records: Sequence[Record], noted: NotedVerdicts | None) -> list[Record]:
    """The trials whose models are recommended, chosen by validation, or the baseline's."""
    found = [record for _, record in recommended(sweep, records, noted)] if noted else []
    found += [best.record for best in best_by_workload(sweep, records).values()]
    found += baselines(sweep, records, noted).values() if noted else []
    return list({record.key: record for record in found}.values())


def baselines(sweep: Sweep, records: Iterable[Record], noted: NotedVerdicts) -> Mapping[str, Record]:
    """The baseline's trial with the best validation value, by workload."""
    wanted = {(v.get("baseline") or {}).get("configuration_id"): v["workload"] for v in noted["verdicts"]}
    found: dict[str, Record] = {}
    sign = sweep.select.rule.decides.sign
    for record in records:
        workload, value = wanted.get(record.identity.configuration), record.value(sweep.select)
        if workload is None or record.state is not State.COMPLETE or value is None:
            continue
        known = found.get(workload)
        best = None if known is None else known.value(sweep.select)
        if best is None or sign * value > sign * best:
            found[workload] = record
    return found


def write_mlflow_model(
    folder: Path,
    store: Store,
    sweep: Sweep,
    record: Record,
    noted: NotedVerdicts | None,
    data: Path,
    graph: bool = False,
) -> str:
    """Writes a trial's model into a folder in MLflow's form; see `write_model`.

    Returns:
        Its card.

    Raises:
        UsageError: The model or the data cannot be read.
    """
    trial = record.trial
    workload = workload_named(trial.workload)
    split = workload.load(data, trial.data).test
    batch: Inputs
    batch, _ = next(iter(split.batches(_EXAMPLES)))
    card = Card(
        f"{record.name} on {trial.workload}",
        {
            "sweep": sweep.name,
            "key": record.key,
            "configuration": record.identity.configuration,
            "method": trial.method,
            **{name: str(value) for name, value in telling(trial).items()},
            "seed": str(trial.seed),
        },
        tuple(said_of(record, noted)),
    )
    return write_model(folder, store.model(sweep.name, record), workload, batch, card, graph)


def said_of(record: Record, noted: NotedVerdicts | None) -> Iterable[str]:
    """The verdict's sentences on a trial's configuration, and on its workload."""
    for verdict in noted["verdicts"] if noted is not None else ():
        if verdict["workload"] == record.trial.workload:
            for arm in (verdict["use"], verdict.get("baseline")):
                if arm is not None and arm["configuration_id"] == record.identity.configuration:
                    yield _result(verdict, arm)
                    break
            yield from verdict["lines"]


def _result(verdict: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    if arm["mean"] is None:
        lacks = "not met the other arms" if verdict.get("awaited") else "no result"
        return f"Its configuration has {lacks} on fresh seeds yet."
    interval = "" if arm["low"] is None else f", 95 % interval [{arm['low']:.4g}, {arm['high']:.4g}]"
    seeds = verdict["equal_epochs"]["scored_on"] or verdict["equal_cost"]["scored_on"] or "seeds"
    mean = f"mean {verdict['metric']} of {arm['mean']:.4g}{interval}"
    return f"Its configuration has a {mean} (n = {arm['n']} {seeds})."
