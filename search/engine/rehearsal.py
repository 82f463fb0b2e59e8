"""Rehearses a sweep: tries each workload, from its data to a loaded model, before anything starts."""

from collections.abc import Iterable
from pathlib import Path

from dropattack import UsageError
from search.definition.options import default_options, option_spaces
from search.definition.space import bounds
from search.definition.sweep import Sweep
from search.engine.proposers import Checksum
from search.records.record import Record, State
from trainables.recipe.settings import TrainingSettings
from trainables.training.rehearsal import rehearse
from trainables.trial import Trial
from trainables.workloads import workload_named


def rehearse_sweep(sweep: Sweep, root: Path, checksum: Checksum, records: Iterable[Record]) -> None:
    """Rehearses each workload once, with its first settings; skips one that has a complete trial.

    Args:
        sweep: A sweep whose data are there.
        root: The data root.
        checksum: Returns the digest of a workload's data.
        records: The sweep's records, if this machine trained some of them.

    Raises:
        UsageError: A workload cannot be trained, or its models cannot be loaded back; see `rehearse`.
    """
    known = {record.trial.workload for record in records if record.state is State.COMPLETE}
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            if workload in known:
                continue
            known.add(workload)
            spaces, defaults = option_spaces(sweep, stage, workload), default_options(workload)
            first = {
                section: {**defaults[section], **{n: bounds(d)[0] for n, d in space.items()}}
                for section, space in spaces.items()
            }
            training = TrainingSettings.from_dict({**first["training"], "best_by": sweep.select.metric})
            found, data = workload_named(workload), first["data"]
            trial = Trial.make(
                workload, "standard", {}, training, 0, checksum(workload, data), data, first["model"]
            )
            try:
                rehearse(trial, found.load(root, data))
            except UsageError as error:
                raise UsageError(f"{error}; tried on a few examples, nothing has been started") from error
