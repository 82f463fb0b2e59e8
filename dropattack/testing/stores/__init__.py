"""The contract that every store of sweeps keeps, wherever it lies."""

from dropattack.testing.stores.noting import Noting
from dropattack.testing.stores.recording import Recording

__all__ = ["StoreContract"]


class StoreContract(Recording, Noting):
    """Tests that the author of a store inherits; see `StoreCases` for what to define.

    Examples:
        >>> class TestFolder(StoreContract):
        ...     def make(self, folder):
        ...         return Store(folder)
    """
