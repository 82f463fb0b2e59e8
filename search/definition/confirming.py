"""What a confirmation asks of the sweep around it."""

from collections.abc import Sequence

from dropattack import UsageError, method_named
from dropattack.errors import unknown
from dropattack.settings import EQUAL_PASSES, SAME_UPDATES
from search.definition.searches import Confirm
from search.definition.sweep import SECTIONS, Stage, Sweep


def check_confirmation(sweep: Sweep, stage: Stage, search: Confirm, before: Sequence[Stage]) -> None:
    """Refuses a confirmation that has nothing to confirm, or whose seeds are not fresh.

    Args:
        sweep: The sweep.
        stage: Its stage that confirms.
        search: Its search.
        before: The stages before it.

    Raises:
        UsageError: It does not fit the sweep.
    """
    if not before:
        raise UsageError("a confirmation needs stages before it")
    if stage.methods or stage.scheduler or stage.exclude or stage.budget == "passes":
        raise UsageError("a confirmation takes its configurations from the stages before, and trains in full")
    if own := [section for section in SECTIONS if getattr(stage, section)]:
        raise UsageError(f"a confirmation trains as the stages before it do; leave out its {own[0]}")
    confirmed = [each.search.seeds for each in before if isinstance(each.search, Confirm)]
    chose = {*sweep.seeds, *(seed for seeds in confirmed for seed in seeds)}
    if stale := sorted(chose & set(search.seeds)):
        raise UsageError(f"a confirmation needs fresh seeds, and seed {stale[0]} has helped to choose")
    searched = [each for each in before if not isinstance(each.search, Confirm)]
    if search.arms and sweep.select.several:
        raise UsageError("arms meet in one metric; write select: {metric: ...} and leave the other aims out")
    _check_arms(search, [each.name for each in searched])
    contending = [each for each in searched if not search.arms or each.name in search.arms]
    for control in search.controls:
        methods = dict.fromkeys(method for each in contending for method in each.methods)
        if not any(_has(method, control) for method in methods):
            known = f"{' and '.join(methods)} {'has' if len(methods) == 1 else 'have'} no control {control}"
            raise UsageError(f"controls: {known}; leave it out, or confirm a method that has it")


def _check_arms(search: Confirm, stages: Sequence[str]) -> None:
    """Refuses arms that are no stages, or that leave no stage to compare with."""
    for arm in search.arms:
        if arm not in stages:
            raise unknown("stage in arms", arm, stages)
    if search.arms and set(search.arms) == set(stages):
        raise UsageError(
            "arms names all stages before, and nothing is left to compare them with; name only those of "
            "the method in question"
        )


def _has(method: str, control: str) -> bool:
    """Whether a method has a control; plain training with as many passes stands beside every one."""
    own = method_named(method).settings_type.ranges().get("control")
    return control in (EQUAL_PASSES, SAME_UPDATES) or (own is not None and control in (own.choices or ()))
