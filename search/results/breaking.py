"""What an error means that ends a run which has begun."""

from collections.abc import Iterator
from contextlib import contextmanager

from dropattack import UsageError
from search.execution.errors import RunError
from search.records.store import Store
from search.results.outcome import StoreError


@contextmanager
def run_errors(store: Store) -> Iterator[None]:
    """Raises what ends a run that has begun as `RunError`, and errors of files among it as `StoreError`.

    Of files are an `OSError` and a `UsageError` whose cause is one. Any other error but a `UsageError` is a
    fault of the program, and stays what it is.
    """
    try:
        yield
    except (OSError, UsageError) as error:
        if not isinstance(error, OSError) and not isinstance(error.__cause__, OSError):
            raise RunError(f"{error}; what is recorded is whole") from error
        raise StoreError(
            f"a file of the store {store.name} or of the data can no longer be used ({error}); nothing "
            "recorded is lost: mend that and run the same command again"
        ) from error
