"""A page of several sweeps of a store, beside each other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dropattack import UsageError
from search.records.store import Store
from search.results.reporting import tables_named
from trainables.digest import digest
from trainables.remote.files import send_all

_LONGEST_NAME = 200
"""Characters of a folder's name at most."""


def report_comparison(
    names: Sequence[str], store: Store, formats: Iterable[str] = ("html",), tracking_uri: str = ""
) -> Path:
    """Writes a page of several sweeps: what differs in their settings, the answer of each, what changed.

    Args:
        names: Names of sweeps; the first is what the others are compared with.
        store: Where they are, and below whose ``comparisons/`` the page is written.
        formats: See `analysis.report.write_comparison`.
        tracking_uri: MLflow server that links lead to; the store's own where it is empty.

    Returns:
        The page; its folder where ``html`` was not asked for.

    Raises:
        UsageError: A sweep has not been run or is named twice, or a format is unknown.
    """
    from analysis.report import write_comparison

    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is named twice; name each sweep once")
    several = [tables_named(name, store, tracking_uri) for name in names]
    page = write_comparison(several, _place(names, store), formats)
    send_all(_place(names, store))
    return page


def _place(names: Sequence[str], store: Store) -> Path:
    """Where the page of these sweeps lies: a folder that bears their names, or stands for long ones."""
    together = "+".join(names)
    return store.root / "comparisons" / (together if len(together) <= _LONGEST_NAME else digest(list(names)))
