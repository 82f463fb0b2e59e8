"""Journals as earlier versions wrote them, and as whoever changed one on purpose would leave it."""

import json
from collections.abc import Callable
from typing import Any

from search.records.lines import written

BESIDE = {"line", "crc32", "study_name", "directions", "trial_id", "retries"}


def bare(content: bytes) -> bytes:
    """The lines of a journal without what this project adds to Optuna's, as earlier versions wrote them."""
    return b"".join(json.dumps(_bare(json.loads(line))).encode() + b"\n" for line in content.splitlines())


def _bare(entry: dict[str, Any]) -> dict[str, Any]:
    of_trials = BESIDE if entry["op_code"] == 4 else BESIDE - {"trial_id"}
    of_studies = of_trials - {"study_name", "directions"} if entry["op_code"] == 0 else of_trials
    return {name: value for name, value in entry.items() if name not in of_studies}


def resealed(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A journal that was changed and bears the checksums of what it holds then."""
    entries = [json.loads(line) for line in change(content).splitlines()]
    for entry in entries:
        entry.pop("crc32", None)
    return b"".join(written(entry, number) for number, entry in enumerate(entries, 1))
