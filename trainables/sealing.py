"""JSON with its own checksum, as the last key of its object, which reveals later changes.

The file stays JSON that any tool reads. The checksum is over the bytes of the text before that key.
"""

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

CHECKSUM = "crc32"
"""The last key of a sealed object: the CRC-32, in hexadecimal, of all bytes before the comma before it."""

_KEY = f'"{CHECKSUM}"'.encode()


class NotWholeError(ValueError):
    """A text is no JSON, or changed after it was sealed; the message says which, without the file's place."""


def sealed(values: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Writes an object as JSON with its checksum.

    Args:
        values: The object; it has at least one key.
        indent: See `json.dumps`; ``None`` writes one line.
    """
    separators = (",", ":") if indent is None else None
    body, gap = json.dumps(values, indent=indent, separators=separators)[:-1].rstrip(), ""
    if indent is not None:
        gap = "\n" + " " * indent
    between = ":" if indent is None else ": "
    end = "" if indent is None else "\n"
    return f'{body},{gap}"{CHECKSUM}"{between}"{crc32(body.encode()):08x}"{end}}}'.encode()


def unsealed(text: bytes) -> tuple[Any, bool]:
    """Reads a text, sealed or not.

    Returns:
        Its values, without the checksum, and whether it had one.

    Raises:
        NotWholeError: It is no JSON, or its checksum is wrong.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise NotWholeError("is no JSON") from None
    if not isinstance(values, dict) or CHECKSUM not in values:
        return values, False
    body = text[: text.rfind(b",", 0, max(0, text.rfind(_KEY)))]
    if values.popitem() != (CHECKSUM, f"{crc32(body):08x}"):
        raise NotWholeError("has another checksum")
    return values, True
