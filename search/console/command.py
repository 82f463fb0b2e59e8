"""One command, from the words typed to its exit status."""

import atexit
import logging
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import typer

from search.console.spelling import printable, spell_out
from search.execution.interruption import INTERRUPTED, sigterm_interrupts
from search.execution.shadows import shadow
from search.records.redaction import without_credentials

_WrongWords: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a malformed command line; typer does not export the name."""


def carry_out(app: typer.Typer) -> int:
    """Carries out the command that was typed.

    Returns:
        Its exit status: 2 for a malformed command line, which one line explains.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a missing font has a substitute
    for stream in (sys.stdout, sys.stderr):
        spell_out(stream)
    if found := shadow():
        print(f"dropattack: {found}", file=sys.stderr)  # of this project nothing more can be imported
        return 2
    # Ray takes seconds to end, and then gives SIGTERM its default back. The exit status is decided by then:
    # no SIGTERM may replace it. What is registered before Ray is called after it.
    atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
    with sigterm_interrupts(after=signal.SIG_IGN):
        return answer(app)


def answer(app: typer.Typer, words: Sequence[str] | None = None) -> int:
    """Carries out a command; one line explains what is wrong with its words.

    Args:
        app: The commands.
        words: The words of the command line; by default those of this process.

    Returns:
        Its exit status.
    """
    try:
        return int(app(words, standalone_mode=False) or 0)
    except _WrongWords as error:
        return _refused(_words(error))


_NO_NUMBER = re.compile(r"Input should be a valid integer[^;]*")
"""What typer says, in words of another library, of an option that is no number."""
_LONGEST = 2_000
"""The most characters of a printed line, which may quote the request."""


@contextmanager
def refusals() -> Iterator[None]:
    """Turns an error that ends a command into one line on standard error and an exit status.

    Meanwhile, only code that a person gave can be imported, and changed code of a loaded model is a line.
    """
    try:
        from dropattack import UsageError
        from dropattack.imported import IN_COMMANDS, given_only
        from search.execution.errors import RunError

        try:
            with given_only(IN_COMMANDS), _changed_code_said():
                yield
        except UsageError as error:
            raise _ended(str(error), 2) from None
        except RunError as error:
            raise _ended(str(error), 1) from None
    except KeyboardInterrupt as error:
        # An interrupt in the middle of an `exec` of text, as in every import of a dataclass, stays noted in
        # CPython, and `python -m` then ends as if nobody had caught it. The next `exec` takes the note away.
        exec("")
        raise _ended("; ".join([INTERRUPTED, *map(str, error.args)]), 1) from None


@contextmanager
def _changed_code_said() -> Iterator[None]:
    """Says each `ChangedCodeWarning` once, in a line as any remark; other warnings stay what they are."""
    shown, said = warnings.showwarning, set[str]()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        from trainables.code.standing import ChangedCodeWarning

        if not issubclass(category, ChangedCodeWarning):
            shown(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            say(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _ended(why: str, status: int) -> typer.Exit:
    say(why)
    return typer.Exit(status)


def say(line: str) -> None:
    """Prints a line on standard error, apart from the requested output."""
    from dropattack.errors import shortened

    told = shortened(" ".join(without_credentials(line).split()), _LONGEST)
    print(f"dropattack: {printable(told)}", file=sys.stderr)


def _words(error: Exception) -> str:
    """What is wrong, and which help to read; empty if the help has been shown already."""
    wrong = " ".join(getattr(error, "format_message", error.__str__)().split()).rstrip(".")
    wrong = _NO_NUMBER.sub("it must be a whole number", wrong)
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "dropattack"
    return f"{wrong}; see {command} --help" if wrong else ""


def _refused(why: str) -> int:
    if why:
        say(why)
    return 2
