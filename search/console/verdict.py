"""A verdict in the terminal: the same sentences as on the report's first screen, or its first words."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from search.console.terminal import show_line
from search.records.notes import NotedVerdicts


def show_verdict(console: Console, noted: NotedVerdicts | None, finished: int, sweep: str) -> None:
    """Shows a sweep's verdict, and the front of several aims; nothing if no verdict was noted.

    Args:
        console: Where to show it.
        noted: The verdict, as it was noted.
        finished: How many trials are finished by now.
        sweep: Name of the sweep.
    """
    if noted is None:
        return
    several = len(noted["verdicts"]) > 1
    for verdict in noted["verdicts"]:
        if several:
            show_line(console, f"{verdict['workload']}:")
        for line in [*verdict["lines"], *verdict.get("front", ())]:
            show_line(console, f"{'  ' * several}{line}")
    if noted["verdicts"] and noted["finished"] < finished:
        seen = f"this verdict covers the first {noted['finished']} of {finished} finished trials"
        show_line(console, f"{seen}; `dropattack report {sweep}` covers all of them")


def first_words(noted: NotedVerdicts | None) -> str:
    """What a sweep shows at equal cost, or of arms that met, in a few words; empty if no verdict was noted.

    Examples:
        >>> words = {"workload": "digits-lenet5", "equal_cost": {"outcome": "undecided"}, "beaten_by": None}
        >>> first_words({"finished": 9, "verdicts": [words]})
        'undecided at equal cost'
        >>> met = {"contest": {"outcome": "helps", "contender": "attack", "rival": "sam"}, "beaten_by": None}
        >>> first_words({"finished": 9, "verdicts": [met]})
        'helps: attack against sam'
        >>> first_words({"finished": 9, "verdicts": [words | {"awaited": {"arms": ["attack"]}}]})
        'the arms have not met'
    """
    if noted is None:
        return ""
    told = Counter(map(_first_words, noted["verdicts"]))
    several = len(noted["verdicts"]) > 1
    return ", ".join(
        f"{words}{f' ({times} workloads)' if times > 1 else ' (1 workload)' * several}"
        for words, times in told.items()
    )


def _first_words(verdict: Mapping[str, Any]) -> str:
    if met := verdict.get("contest"):
        return f"{met['outcome']}: {met['contender']} against {met['rival']}"
    if verdict.get("awaited"):
        return "the arms have not met"
    if verdict["beaten_by"]:
        return f"beaten by {verdict['beaten_by']}"
    return f"{verdict['equal_cost']['outcome']} at equal cost"
