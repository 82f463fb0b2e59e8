"""What an error of MLflow means to a person: whether waiting mends it, and what to do where it does not."""

from pathlib import Path

from dropattack import UsageError
from dropattack.errors import first_line
from search.records.redaction import without_credentials

_REFUSALS = {
    "BAD_REQUEST",
    "CUSTOMER_UNAUTHORIZED",
    "ENDPOINT_NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "NOT_FOUND",
    "NOT_IMPLEMENTED",
    "PERMISSION_DENIED",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
}
"""MLflow's codes of errors that a repeated request meets again."""
_NOT_ALLOWED = {"CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED", "UNAUTHENTICATED"}
_OF_FILES = ("readonly database", "no such table", "no such column", "malformed", "not a database")
_OTHER_SCHEMA = "Detected out-of-date database schema"
_LONGEST = 200
AGAIN = "`dropattack run` again catches up"


def lasts(error: Exception) -> bool:
    """Whether waiting cannot mend an error, such as a missing permission or a damaged database."""
    text = str(error)
    return (
        isinstance(error, UsageError)
        or getattr(error, "error_code", "") in _REFUSALS
        or _OTHER_SCHEMA in text
        or any(words in text for words in _OF_FILES)
    )


def line(error: Exception) -> str:
    """An error in a line, without credentials."""
    text = without_credentials(first_line(error))
    if _OTHER_SCHEMA in text:
        text = text.partition(". ")[0]
    return text if isinstance(error, UsageError) else text[:_LONGEST]


def advice(error: Exception, uri: str) -> str:
    """What to do about an error.

    Args:
        error: An error of MLflow, or of this program about MLflow's files.
        uri: The tracking URI.
    """
    place = without_credentials(uri)
    if isinstance(error, UsageError):
        return ""
    if _OTHER_SCHEMA in str(error):
        return _about_schema(str(error), place)
    if any(words in str(error) for words in _OF_FILES[1:]):
        return "the database is damaged: move it away, then `dropattack run` again shows every trial anew"
    if _OF_FILES[0] in str(error):
        return (
            "the database is write-protected, or was removed or replaced while it was open; see that it is "
            f"writable, then {AGAIN}"
        )
    if getattr(error, "error_code", "") in _NOT_ALLOWED:
        return f"have its administrator permit it, or name another --tracking-uri; then {AGAIN}"
    if getattr(error, "error_code", "") == "ENDPOINT_NOT_FOUND":
        return f"name the address of an MLflow server; then {AGAIN}"
    return AGAIN if not lasts(error) else f"mend that, then {AGAIN}"


def _about_schema(text: str, place: str) -> str:
    import mlflow

    found = text.partition("found version ")[2].partition(",")[0]
    known = Path(mlflow.__file__).parent.glob(f"store/db_migrations/versions/{found}_*.py")
    if not any(known):
        return (
            "a newer MLflow wrote the database: install that one, or move the database away; then "
            "`dropattack run` again shows every trial"
        )
    return f"an older MLflow made the database: copy it, then `mlflow db upgrade '{place}'`; then {AGAIN}"
