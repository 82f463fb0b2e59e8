"""What other sweeps of a store hold."""

from typing import NamedTuple

from search.records.record import Record


class Elsewhere(NamedTuple):
    """What other sweeps of a store hold.

    Attributes:
        records: Their complete records by trial key, with the sweep's name.
        left_out: A line for each of them that cannot be read.
    """

    records: dict[str, tuple[str, Record]]
    left_out: list[str]
