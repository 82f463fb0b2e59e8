"""A store that other users of a machine cannot look into."""

import os
from pathlib import Path

from dropattack import UsageError


def make_private(root: Path) -> None:
    """Closes a store's folder to others, and has what this process and its children write closed as well.

    What lies in the folder already keeps its permissions, and cannot be reached by others.

    Args:
        root: The store's folder; it is made where there is none.

    Raises:
        UsageError: It is another user's, or cannot be made.
    """
    os.umask(0o077)
    try:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"the store {root} cannot be closed to others ({error.strerror}); name another --store"
        ) from error
