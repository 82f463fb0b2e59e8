"""Decides which trials may be lanes of one stack, and which method trains them.

A lane computes what the trial's method computes alone. Trials may share a stack if their settings differ in
numbers only, as `structure` defines it. The whole stack then shares passes, update and attack. Every random
number comes from the lane's own generator, in the order in which the trial alone would draw it.
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
    """The part of a method that all lanes of one stack must share, beside model, data and training.

    Args:
        name: Name of the method.
        settings: The method's settings.

    Raises:
        UsageError: This method, or one of these options, cannot be a lane.

    Examples:
        >>> one, other = DropAttackSettings(epsilon=1, p=0.3), DropAttackSettings(control="p-one")
        >>> structure("dropattack", one) == structure("dropattack", other)
        True
    """
    return _rule(name, settings).structure(settings)


def lane_method(methods: Sequence[Method[Any]]) -> LaneMethod:
    """Builds the method that trains the lanes of a stack.

    Args:
        methods: The method of each lane, made for its trial alone.

    Raises:
        UsageError: One of them cannot be a lane, or they differ in more than numbers.
    """
    kinds = {structure(method.name, method.settings) for method in methods}
    if len(kinds) > 1:
        raise UsageError("the lanes of one stack may differ in numbers only; group them by `structure`")
    if any(method.task.clip_norm is not None for method in methods):
        raise UsageError("a lane cannot clip its gradient; leave clip_norm at 0, or train the trial alone")
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
            raise UsageError("a lane takes whole rounds and one update a batch; train other trials alone")
        return PlainLanes
    if isinstance(settings, ScheduledSettings) and (settings.start or settings.interval > 1):
        raise UsageError("a lane attacks in every step; train a trial with start or interval alone")
    if name not in _RULES:
        raise UsageError(
            f"method {name!r} cannot be a lane (those that can: {', '.join(_RULES)}); train it alone"
        )
    return _RULES[name]
