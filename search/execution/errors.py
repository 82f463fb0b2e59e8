"""The error that ends a run that has begun or is about to begin."""


class RunError(RuntimeError):
    """A run cannot start or go on, though the request is right; the message says in one line what to do.

    The command line prints the message and leaves with exit status 1; no traceback is shown.
    """
