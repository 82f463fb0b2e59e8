"""What to use of a sweep, ready for use: a sweep file that trains it, and its trained model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropattack import UsageError
from dropattack.imported import given_only
from search.definition.options import default_options
from search.definition.sweep import SECTIONS, Sweep
from search.records.record import Record
from search.records.store import Store
from search.results.asked import asked, words
from search.results.recommended import recommended
from search.results.reporting import tables_of
from search.results.verdict import verdicts_of
from search.tracking.shown import ShownRuns
from trainables.trial import Trial

_CHOSEN_BY = "best_by"


@dataclass(frozen=True)
class Usable:
    """What the verdict recommends for a workload.

    Attributes:
        verdict: The verdict as plain values.
        record: The recommended configuration's trial with the best validation value, whose model to use.
        model: The model's file; ``None`` if it is missing.
        stage: The keys of a sweep's stage that train it, with one method in the sweep's own words.
    """

    verdict: Mapping[str, Any]
    record: Record
    model: Path | None
    stage: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the verdict whole, the model's file, and the stage, also key by key.

        The stage's settings of the model are under ``stage`` alone, since ``model`` is the file.
        """
        return {
            **self.verdict,
            "key": self.record.key,
            "seed": self.record.trial.seed,
            **self.stage,
            "model": None if self.model is None else str(self.model),
            "stage": self.stage,
        }


@given_only()
def usable(store: Store, name: str) -> list[Usable]:
    """What to use, by workload, by a sweep's present records; empty before any trial is complete.

    Args:
        store: Where the sweep is kept.
        name: Its name.

    Raises:
        UsageError: It has not been run, or cannot be read.
    """
    sweep = store.recorded(name)
    records = store.journal(sweep).records
    noted = verdicts_of(tables_of(sweep, store, records, ShownRuns()))
    found = []
    for verdict, record in recommended(sweep, records, noted):
        model = store.model(name, record)
        stage = {"methods": dict([words(asked(records, verdict["use"]))]), **_options(record.trial, sweep)}
        found.append(Usable(verdict, record, model if model.exists() else None, stage))
    return found


def sweep_file(sweep: Sweep, found: Sequence[Usable]) -> dict[str, Any]:
    """A sweep that trains what is recommended with the searched seeds, and nothing else."""
    stages: list[dict[str, Any]] = []
    for each in found:
        own = {"workloads": [each.record.trial.workload]} if len(found) > 1 else {}
        name = f"best-{len(stages) + 1}" if len(found) > 1 else "best"
        stages.append({"name": name, **own, **each.stage})
    select = sweep.select.model_dump(mode="json", exclude_defaults=True)
    return {
        "name": f"{sweep.name}-best"[-64:].lstrip("._-"),
        "workloads": [each.record.trial.workload for each in found],
        "seeds": list(sweep.seeds),
        **({"select": select} if select else {}),
        "stages": stages,
    }


def _options(trial: Trial, sweep: Sweep) -> dict[str, Any]:
    """The settings beside the method's that train a trial's configuration: what differs from defaults.

    If the workload's code is missing, or nobody gave it, they are what its sweep set, and the epochs that a
    budget of passes bought.
    """
    try:
        defaults = default_options(trial.workload)
    except UsageError:
        chosen = {s: {n for stage in sweep.stages for n in sweep.section(stage, s)} for s in SECTIONS}
        chosen["training"] |= {"epochs"} if any(stage.budget == "passes" for stage in sweep.stages) else set()
        kept = {s: {n: v for n, v in getattr(trial, s).items() if n in chosen[s]} for s in SECTIONS}
    else:
        kept = {s: {n: v for n, v in getattr(trial, s).items() if v != defaults[s].get(n)} for s in SECTIONS}
    own = {s: {n: v for n, v in values.items() if n != _CHOSEN_BY} for s, values in kept.items()}
    return {s: values for s, values in own.items() if values}
