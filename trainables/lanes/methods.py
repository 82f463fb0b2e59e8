"""Which trials may be lanes of one stack, and what trains them.

A lane does what the trial's method does alone. Trials may share a stack where their settings differ in
numbers only, as `structure` says; passes, update and attack are then those of the whole stack, and every
random number comes from the lane's own generator in the order in which the trial alone would draw it.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from dropattack.attack_settings import ScheduledSettings
from dropattack.errors import UsageError
from dropattack.method import Method
from dropattack.methods.dropattack import DropAttack
from dropattack.methods.dropattack_settings import DropAttackSettings
from dropattack.methods.penalties import L1, L2
from dropattack.methods.standard import MORE, Standard, StandardSettings
from dropattack.settings import Settings
from trainables.lanes.dropattack import DropAttackLanes
from trainables.lanes.method import L1Lanes, L2Lanes, LaneMethod, PlainLanes


def structure(name: str, settings: Settings) -> Hashable:
    """What trials must have in common to be lanes of one stack, beside the model, the data and the training.

    Args:
        name: Of the method.
        settings: The method's.

    Raises:
        UsageError: This method, or one of these options, cannot be a lane.

    Example:
        >>> one, other = DropAttackSettings(epsilon=1, p=0.3), DropAttackSettings(control="p-one")
        >>> structure("dropattack", one) == structure("dropattack", other)
        True
    """
    return _rule(name, settings).structure(settings)


def lane_method(methods: Sequence[Method[Any]]) -> LaneMethod:
    """What trains the lanes of a stack.

    Args:
        methods: Of each lane, made for its trial alone.

    Raises:
        UsageError: One of them cannot be a lane, or they differ in more than numbers.
    """
    kinds = {structure(method.name, method.settings) for method in methods}
    if len(kinds) > 1:
        raise UsageError("the lanes of one stack may differ in numbers only; group them by `structure`")
    if any(method.task.clip_norm is not None for method in methods):
        raise UsageError("clip_norm cannot be a lane's; train such trials alone")
    return _rule(methods[0].name, methods[0].settings)(methods)


_RULES: Mapping[str, type[LaneMethod]] = {
    Standard.name: PlainLanes,
    L1.name: L1Lanes,
    L2.name: L2Lanes,
    DropAttack.name: DropAttackLanes,
}


def _rule(name: str, settings: Settings) -> type[LaneMethod]:
    standard = settings.standard if isinstance(settings, DropAttackSettings) else settings
    if isinstance(standard, StandardSettings):
        if standard.rounds % 1 or standard.updates != MORE or standard.rounds_start:
            raise UsageError("a lane takes whole rounds and an update a batch; train such a trial alone")
        return PlainLanes
    if isinstance(settings, ScheduledSettings) and (settings.start or settings.interval > 1):
        raise UsageError("a lane attacks in every step; train a trial with start or interval alone")
    if name not in _RULES:
        raise UsageError(
            f"method {name!r} cannot be a lane (those that can: {', '.join(_RULES)}); train it alone"
        )
    return _RULES[name]
