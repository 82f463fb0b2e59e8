"""Why a request to an object store failed, in words."""

_CAUSES = {
    "kind: Timeout": "no answer in time",
    "ConnectionRefused": "connection refused",
    "dns error": "no such host",
}
"""What the details of an error show, in words."""


def reason(said: str) -> str:
    """Why a request failed, from what `obstore` says, in a line of bounded length."""
    line, _, details = said.partition("\n\nDebug source")
    line = " ".join(line.split())
    for mark in ("status code: ", "ms - ", "s - "):
        line = line.rpartition(mark)[2]
    more = [words for mark, words in _CAUSES.items() if mark in details]
    return ", ".join([line[:150].rstrip(": "), *more[:1]])
