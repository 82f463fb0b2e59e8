"""The one exception for a request that cannot be carried out, and the words it uses."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A request is wrong; the message is one line that says what is wrong and what to do.

    The command line prints the message and leaves with exit status 2; no traceback is shown.
    """


def unknown(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """Builds the error for a name that does not exist, with the nearest names that do.

    Args:
        kind: What the name stands for, such as ``"target"``.
        name: The name that was asked for.
        valid: Every name that would have been right.

    Returns:
        An error to raise, such as ``unknown target 'conv9.w'; did you mean 'conv1.w'? …``.
    """
    names = list(valid)
    near = nearest(name, names)
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ";"
    return UsageError(f"unknown {kind} {shortened(name)!r}{hint} valid: {', '.join(names) or '(none)'}")


def shortened(text: str, most: int = 80) -> str:
    """Shortens a text for a message by its middle.

    Examples:
        >>> shortened("x" * 1000, 5)
        'xx…xx'
    """
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def nearest(name: str, valid: Iterable[str]) -> list[str]:
    """At most three of the valid names, the nearest to an unknown one; capitals do not count."""
    spelt: dict[str, list[str]] = {}
    for each in valid:
        spelt.setdefault(_folded(each), []).append(each)
    folded = difflib.get_close_matches(_folded(name), spelt, n=3, cutoff=0.5)
    return [each for found in folded for each in spelt[found]][:3]


def _folded(name: str) -> str:
    """A name in lower case and with hyphens for underscores, which people confuse."""
    return name.casefold().replace("_", "-")


def first_line(error: BaseException) -> str:
    """The first line of another library's error, or the error's type where it has no message.

    A line that ends in a colon only announces the next one, which it then includes.

    Examples:
        >>> first_line(EOFError())
        'EOFError'
        >>> first_line(RuntimeError(chr(10).join(["cannot load Net:", "  no fc1.weight", "  no fc2.weight"])))
        'cannot load Net: no fc1.weight'
    """
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {others[0].strip()}" if others and first.endswith(":") else first
