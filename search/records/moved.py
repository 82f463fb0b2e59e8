"""The command that ran a sweep, for a store that has moved since."""

import os
import re
import shlex
from pathlib import Path

_STORE = re.compile(r"(?<= --store)([ =])('[^']*'|\S+)")


def command_at(command: str, store: str) -> str:
    """A command that was typed, with the store where it is now.

    Typed elsewhere, or before the store was moved, it would begin the sweep anew in an empty folder.

    Args:
        command: What was typed, as `search.records.provenance.command_line` noted it.
        store: What a person calls the store now: its folder, or its address.

    Returns:
        The command as it was where that leads to this store, and where it runs no sweep.

    Examples:
        >>> command_at("dropattack run a.yaml --store ../old --data d", "new place")
        "dropattack run a.yaml --store 'new place' --data d"
    """
    if " run " not in command:
        return command
    found = _STORE.search(command)
    named = _expanded(found[2]) if found else os.environ.get("DROPATTACK_STORE", "runs")
    if named == store or ("://" not in named + store and Path(named).resolve() == Path(store).resolve()):
        return command
    if found is None:
        return f"{command} --store {shlex.quote(store)}"
    return f"{command[: found.start(2)]}{shlex.quote(store)}{command[found.end(2) :]}"


def _expanded(word: str) -> str:
    """A word as a shell reads it."""
    try:
        bare = "".join(shlex.split(word))
    except ValueError:
        return word
    return bare if word.startswith("'") else os.path.expandvars(os.path.expanduser(bare))  # noqa: PTH111
