"""A page of several sweeps of a store, beside each other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dropattack import UsageError
from search.records.store import Store
from search.results.reporting import tables_named
from trainables.digest import digest
from trainables.remote.files import send_all

_LONGEST_NAME = 200
"""The most characters of a folder's name."""


def report_comparison(
    names: Sequence[str], store: Store, formats: Iterable[str] = ("html",), tracking_uri: str = ""
) -> Path:
    """Writes a page of several sweeps: what differs in their settings, the answer of each, what changed.

    Args:
        names: Names of sweeps; the others are compared with the first.
        store: Where they are; the page goes below its ``comparisons/``.
        formats: See `analysis.report.write_comparison`.
        tracking_uri: MLflow server of the links; empty for the store's own.

    Returns:
        The page; its folder if ``html`` was not asked for.

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
    """The folder of these sweeps' page, named by their names, or by a digest of long ones."""
    together = "+".join(names)
    return store.root / "comparisons" / (together if len(together) <= _LONGEST_NAME else digest(list(names)))
