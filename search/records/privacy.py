"""A store that other users of a machine cannot look into."""

import os
from pathlib import Path

from dropattack import UsageError


def make_private(root: Path) -> None:
    """Closes a store's folder to others, and also all that this process and its children write.

    Files in the folder keep their permissions, but others cannot reach them.

    Args:
        root: The store's folder; where there is none, it will be closed when it is made.

    Raises:
        UsageError: It is another user's.
    """
    os.umask(0o077)
    try:
        if root.is_dir():
            root.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"the store {root} cannot be closed to others ({error.strerror}); name another --store"
        ) from error
