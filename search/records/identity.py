"""The identity of a recorded trial: the journal's or, for older records, that of what they compute.

Earlier versions named a trial by its settings as they were asked for. Their records hold these settings in
full, so that today's names follow from them, and old stores go on.
"""

from collections.abc import Mapping
from typing import Any

from dropattack import UsageError
from search.records.record import Record
from trainables.trial import Identity, Trial


def written_identity(record: Record) -> dict[str, str]:
    """The identity that the journal notes for a record's trial."""
    named = {**record.identity._asdict(), "former": record.former}
    return {name: value for name, value in named.items() if value or name in ("key", "configuration")}


def read_identity(trial: Trial, attributes: Mapping[str, Any]) -> tuple[Identity, str]:
    """A recorded trial's identity, and the key that an earlier version gave it, if it was another one.

    A trial whose method or workload is not to be found keeps the key that it has.
    """
    key = attributes["key"]
    if "configuration" in attributes:
        identity = Identity(key, attributes["configuration"], attributes.get("control", ""))
        return identity, attributes.get("former", "")
    try:
        identity = trial.identity
    except UsageError:
        identity = Identity(key, key, "")
    return identity, key if key != identity.key else ""
