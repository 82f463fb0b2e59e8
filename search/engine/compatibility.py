"""Checks what may change in a sweep that has records, and refuses what would mix unlike results."""

from collections.abc import Collection, Iterable

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.searches import BestOf, Confirm, Sampling
from search.definition.space import Dimension, Interval, Space, Subsets, values
from search.definition.sweep import SECTIONS, Stage, Sweep
from search.engine.proposers import Checksum
from search.records.record import Record
from trainables.digest import digest
from trainables.trial import TRAINING_VERSION


def check_extends(old: Sweep, new: Sweep) -> None:
    """Checks that a sweep only extends what was run under its name.

    A sweep may get more seeds, more trials, wider grids, more workloads and further stages. It may change the
    rule for which configuration is best, on which neither draws nor trainings depend.

    Raises:
        UsageError: Something else changed; the message names it.
    """
    for what, before, after in (
        ("select", old.select.aims, new.select.aims),
        ("seeds", set(old.seeds) - set(new.seeds), set()),
        ("workloads", set(old.workloads) - set(new.workloads), set()),
    ):
        if before != after:
            raise _mixes(new, what)
    for position, stage in enumerate(old.stages):
        if position >= len(new.stages) or new.stages[position].name != stage.name:
            raise _mixes(new, f"stage {stage.name!r}, which is no longer at its place")
        _check_stage(old, new, stage, new.stages[position])


def check_belongs(records: Iterable[Record], sweep: Sweep) -> None:
    """Checks that records could belong to a sweep whose earlier definition is lost.

    Raises:
        UsageError: A record is of another stage, workload, seed or selection.
    """
    stages = {stage.name: stage for stage in sweep.stages}
    for record in records:
        stage, trial = stages.get(record.stage), record.trial
        if stage is None or trial.workload not in sweep.stage_workloads(stage):
            raise _mixes(sweep, f"stage {record.stage!r}")
        if trial.training["best_by"] != sweep.select.metric:
            raise _mixes(sweep, "select")
        if not isinstance(stage.search, Confirm) and trial.seed not in sweep.seeds:
            raise _mixes(sweep, "seeds")


def check_warm_starts(sweep: Sweep, recorded: Collection[str]) -> None:
    """Checks that the sweeps from which a search starts are in the store.

    Args:
        sweep: What will run.
        recorded: Names of the store's sweeps.

    Raises:
        UsageError: One of them is not there.
    """
    for stage in sweep.stages:
        if not isinstance(stage.search, Sampling):
            continue
        best = [start.best_of for start in stage.search.enqueue if isinstance(start, BestOf)]
        for where, names in (("warm_start", stage.search.warm_start), ("enqueue", best)):
            for name in (name for name in names if name not in recorded):
                raise UsageError(f"stage {stage.name!r}: {unknown(f'sweep in {where}', name, recorded)}")


def check_records(records: Iterable[Record], sweep: Sweep, checksum: Checksum) -> None:
    """Checks that records are of the present data and training code.

    Raises:
        UsageError: A record is not; training it further would mix unlike results.
    """
    for trial in {digest(r.trial.data, r.trial.workload, r.trial.version): r.trial for r in records}.values():
        if trial.version != TRAINING_VERSION:
            raise _mixes(sweep, f"what a training computes (version {trial.version}, now {TRAINING_VERSION})")
        if trial.checksum != checksum(trial.workload, trial.data):
            # Records of another definition in the user's code are apart, and are not checked.
            raise UsageError(
                f"the contents of the data of {trial.workload} have changed since sweep {sweep.name!r} was "
                "run; restore them, give the sweep another name, or name another --store"
            )


def _check_stage(old: Sweep, new: Sweep, before: Stage, after: Stage) -> None:
    how = [
        {"scheduler": s.scheduler, "search": s.search.kind, "budget": s.budget, "exclude": s.exclude}
        for s in (before, after)
    ]
    for name in (name for name in how[0] if how[0][name] != how[1][name]):
        raise _mixes(new, f"how stage {before.name!r} searches: its {name}")
    if not set(old.stage_workloads(before)) <= set(new.stage_workloads(after)):
        raise _mixes(new, f"the workloads of stage {before.name!r}")
    sampled = isinstance(before.search, Sampling)
    if isinstance(before.search, Sampling) and isinstance(after.search, Sampling):
        for name in ("sampler", "sampler_seed", "warm_start", "seeds", "race", "objective", "enqueue"):
            field = "drawn_by" if name == "sampler" else name
            if getattr(before.search, field) != getattr(after.search, field):
                raise _mixes(new, f"the {name} of stage {before.name!r}")
        if before.methods.keys() != after.methods.keys():
            raise _mixes(new, f"the methods that stage {before.name!r} samples")
        if old.seeds[: before.search.seeds] != new.seeds[: before.search.seeds]:
            raise _mixes(new, f"the first seeds, which train stage {before.name!r}")
    arms = [each.search.arms for each in (before, after) if isinstance(each.search, Confirm)]
    if len(set(arms)) > 1:
        raise _mixes(new, f"the arms of stage {before.name!r}")
    spaces: list[tuple[str, Space, Space]] = []
    for method, narrow in before.methods.items():
        wide = after.methods.get(method, ())
        if len(wide) < len(narrow):
            raise _mixes(new, f"{method} in stage {before.name!r}")
        spaces += [(f"{method} in stage {before.name!r}", *pair) for pair in zip(narrow, wide, strict=False)]
    for section in SECTIONS:
        own = {*getattr(before, section), *getattr(after, section)}
        pair = old.section(before, section), new.section(after, section)
        for what, is_own in ((section, False), (f"{section} in stage {before.name!r}", True)):
            then, now = ({n: d for n, d in space.items() if (n in own) == is_own} for space in pair)
            spaces.append((what, then, now))
    for what, space, wider in spaces:
        for name in sorted(space.keys() ^ wider.keys()):
            raise _mixes(new, f"{name} of {what} ({_said(space, name)}, now {_said(wider, name)})")
        for name, dimension in space.items():
            same = wider[name] in (dimension, _drawn(dimension))
            if not (same or (not sampled and _holds(wider[name], dimension))):
                raise _mixes(new, f"{name} of {what} ({_said(space, name)}, now {_said(wider, name)})")


def _said(space: Space, name: str) -> str:
    """A space's value of a name, as a sweep file writes it."""
    dimension = space.get(name, "not set")
    plain = (
        dimension.model_dump(mode="json", exclude_defaults=True)
        if isinstance(dimension, Interval | Subsets)
        else dimension
    )
    return str(plain).replace("'", "")


def _drawn(dimension: Dimension) -> Dimension:
    """The values of a dimension from which draws were made."""
    return dimension.trimmed if isinstance(dimension, Interval) else dimension


def _holds(wider: Dimension, dimension: Dimension) -> bool:
    """Whether a grid's dimension has all values of another one."""
    if any(isinstance(each, Interval) and each.step is None for each in (wider, dimension)):
        return False
    return set(values(dimension)) <= set(values(wider))


def _mixes(sweep: Sweep, what: str) -> UsageError:
    return UsageError(
        f"sweep {sweep.name!r} was run before with another definition of {what}; "
        f"give the changed sweep another name, or another --store"
    )
