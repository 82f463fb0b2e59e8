"""How a process ended and what an error says, in one line."""

import signal


def ended(status: int | None) -> str:
    """What an exit status tells.

    Example:
        >>> ended(-9), ended(1)
        ('was killed by SIGKILL', 'ended with status 1')
    """
    if status is None:
        return "does not end"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def said(error: BaseException) -> str:
    r"""An error's type and its first line that tells something.

    Example:
        >>> said(RuntimeError("backend='inductor' raised:\nRuntimeError: Failed to find C compiler."))
        'RuntimeError: Failed to find C compiler.'
        >>> said(KeyError())
        'KeyError'
    """
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.endswith("raised:")]
    if not telling:
        return type(error).__name__
    first, whole = telling[0], lines[0] if lines else ""
    return first if whole.endswith("raised:") else f"{type(error).__name__}: {first}"
