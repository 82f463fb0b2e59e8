"""What a sweep shows and has spent, as tags and metrics of its own run in MLflow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.records.notes import NotedVerdicts
from search.records.record import Record
from search.tracking.tags import TAG
from trainables.workloads import workload_named

PARTS = ("best/", "baseline/", "gain/")
"""What the verdict's metrics begin with."""
_NOTE = "mlflow.note.content"
_LONGEST = 5000
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Told:
    """What is told of a sweep.

    Attributes:
        tags: The verdict as the run's description, and its parts in words.
        metrics: Its numbers: ``best/`` of what to use, ``baseline/``, ``gain/`` over plain training of as
            many passes and of as many epochs, and where arms met of the contender over its rival, every other
            arm and each control, ``spent/``. With several workloads each name ends with one.
        datasets: What was trained on: name, checksum and workload of each.
    """

    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    datasets: Sequence[tuple[str, str, str]] = ()


def told(sweep: Sweep, records: Sequence[Record], noted: NotedVerdicts | None) -> Told:
    """What a sweep's records show, and what they cost.

    Args:
        sweep: The sweep.
        records: All of its records; what another sweep trained costs nothing here.
        noted: What they show; nothing gives the costs alone.
    """
    tags: dict[str, str] = {}
    metrics: dict[str, float] = {}
    paragraphs: list[str] = []
    verdicts = noted["verdicts"] if noted is not None else []
    for verdict in verdicts:
        several = len(verdicts) > 1
        end = f".{verdict['workload']}" if several else ""
        paragraphs += [f"**{verdict['workload']}**"] if several else []
        paragraphs += verdict["lines"]
        tags |= {f"{TAG}verdict.{name}{end}": value[:_LONGEST] for name, value in _words(verdict).items()}
        metrics |= {f"{name}{end}": value for name, value in _numbers(verdict).items() if value is not None}
    if verdicts:
        tags[_NOTE] = "\n\n".join([*paragraphs, sweep.summary])[:_LONGEST]
    return Told(tags, metrics | _spent(records), _datasets(records))


def _datasets(records: Iterable[Record]) -> list[tuple[str, str, str]]:
    """Name, checksum and workload of each dataset; of a workload that is gone the name is its own."""
    found = []
    for workload, checksum in sorted({(r.trial.workload, r.trial.checksum) for r in records}):
        try:
            name = workload_named(workload).dataset.name
        except UsageError:
            name = workload
        found.append((name, checksum, workload))
    return found


def _words(verdict: Mapping[str, Any]) -> dict[str, str]:
    found, contest = {}, verdict.get("contest")
    for name in ("equal_cost", "equal_epochs", *(["contest"] if contest else [])):
        answer = verdict[name]
        found[name] = str(answer["outcome"])
        for part in ("gain", "low", "high", "n"):
            found[f"{name}.{part}"] = "" if answer[part] is None else f"{answer[part]:.6g}"
    if contest:
        found |= {f"contest.{side}": contest[side] for side in ("contender", "rival")}
    if verdict.get("awaited"):  # which may take back what a run with fewer fresh seeds has told
        parts = ("", ".gain", ".low", ".high", ".n", ".contender", ".rival")
        found |= {f"contest{part}": "" for part in parts}
    use, chosen, baseline = verdict["use"], verdict["chosen_by_validation"], verdict.get("baseline")
    found["use"] = "" if use is None else use["name"]
    found["use.configuration"] = "" if use is None else use["configuration_id"]
    found["chosen"] = "" if chosen is None else chosen["configuration"]
    found["baseline"] = "" if baseline is None else baseline["configuration_id"]
    return found


def _numbers(verdict: Mapping[str, Any]) -> dict[str, float | None]:
    """The verdict's numbers; what is missing is nothing."""
    metric, found = verdict["metric"], dict[str, float | None]()
    for name, arm in (("best", verdict["use"]), ("baseline", verdict.get("baseline"))):
        if arm is not None and arm["n"]:
            found |= {f"{name}/{metric}": arm["mean"], f"{name}/seeds": float(arm["n"])}
            found |= {f"{name}/{metric}_{side}": arm[side] for side in ("low", "high")}
    for name, effect in _effects(verdict).items():
        found |= {f"gain/{name}": effect["gain"], f"gain/{name}_seeds": float(effect["n"])}
        found |= {f"gain/{name}_{side}": effect[side] for side in ("low", "high")}
    return found


def _effects(verdict: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the verdict says that is gained; where arms met, also by the contender over each that it met."""
    found: dict[str, Mapping[str, Any]] = {name: verdict[name] for name in ("equal_cost", "equal_epochs")}
    contest = verdict.get("contest")
    if contest:
        found["contest"] = contest
        found |= {f"over/{arm}": effect for arm, effect in contest.get("over_arms", {}).items()}
        controls = contest.get("over_controls", {}).items()
        found |= {f"over_control/{control}": effect for control, effect in controls}
    return found


def _spent(records: Iterable[Record]) -> dict[str, float]:
    """Passes over the training split, hours of training, and trials, of what was trained here."""
    own = [record for record in records if not record.reused_from]
    passes = sum(record.trial.passes_in(int(m["epoch"])) for record in own for m in record.epochs)
    seconds = sum(metrics.get("seconds", 0.0) for record in own for metrics in record.epochs)
    found = {"passes": passes, "hours": seconds / _SECONDS_PER_HOUR, "trials": len(own)}
    return {f"spent/{name}": float(value) for name, value in found.items()}
