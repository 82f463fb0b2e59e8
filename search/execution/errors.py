"""What a run that began, or that was about to begin, is ended by."""


class RunError(RuntimeError):
    """A run cannot start or go on, though its request is right; the message is a line that says what to do.

    The command line prints the message and leaves with exit status 1; no traceback is shown.
    """
