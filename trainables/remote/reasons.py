"""Why a request to an object store failed, in words."""

_CAUSES = {
    "kind: Timeout": "no answer in time",
    "ConnectionRefused": "connection refused",
    "dns error": "no such host",
}
"""Details of errors, and their meaning in words."""


def reason(said: str) -> str:
    """Why a request failed, from the message of `obstore`, in a line of bounded length."""
    line, _, details = said.partition("\n\nDebug source")
    line = " ".join(line.split())
    for mark in ("status code: ", "ms - ", "s - "):
        line = line.rpartition(mark)[2]
    more = [words for mark, words in _CAUSES.items() if mark in details]
    return ", ".join([line[:150].rstrip(": "), *more[:1]])
