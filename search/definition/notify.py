"""Where a sweep tells of its end: an address, which is often a secret and therefore never recorded."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from search.definition.part import Part

KEY = "notify"
"""Its key in a sweep file."""


def _address(url: str) -> str:
    """An address that can be posted to; what is wrong is said without the address."""
    try:
        parts = urlsplit(url)
        there = bool(parts.hostname) and parts.port != 0
    except ValueError:
        there = False
    if not there or parts.scheme not in ("http", "https") or any(c.isspace() or c < " " for c in url):
        raise ValueError("takes an http or https address, such as https://example.org/hooks/1")
    return url


class Notify(Part):
    """Where a message goes when a run of a sweep ends.

    Attributes:
        url: Address that the message is posted to, http or https. No record, output or report holds it.
    """

    url: Annotated[str, AfterValidator(_address)] = Field(repr=False)

    @property
    def host(self) -> str:
        """The part of the address that may be shown: the name of its host."""
        return urlsplit(self.url).hostname or ""


def is_part(path: str) -> bool:
    """Whether a dotted path of a sweep file, with or without a value, leads to the address.

    Examples:
        >>> is_part("notify.url"), is_part("notifying")
        (True, False)
    """
    return path.partition("=")[0].partition(".")[0] == KEY
