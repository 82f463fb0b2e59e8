"""A short name for plain values, which distinguishes trials, configurations and encoded data."""

import hashlib
import json
from typing import Any


def digest(*parts: Any) -> str:
    """A short SHA-256 over plain values: equal values give equal digests, in any process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
