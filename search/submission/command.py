"""The command of a job, which everyone who sees the job can read."""

from collections.abc import Sequence

from dropattack import UsageError
from search.definition.notify import KEY, is_part
from search.records.redaction import without_credentials


def run_words(
    source: str, store: str, data: str, tracking_uri: str, overrides: Sequence[str], scale: str
) -> list[str]:
    """The words after ``python`` that run a sweep; empty options keep the nodes' defaults."""
    options = {"--store": store, "--data": data, "--tracking-uri": tracking_uri, "--scale": scale}
    words = ["-m", "search", "run", source]
    words += [word for option, value in options.items() if value for word in (option, value)]
    return words + [word for override in overrides for word in ("--set", override)]


def check_open(tracking_uri: str, overrides: Sequence[str]) -> None:
    """Refuses options that nobody else should see.

    Args:
        tracking_uri: The MLflow server's address.
        overrides: As ``--set`` takes them.

    Raises:
        UsageError: The address holds a user, a password or a token, or an override sets the address of
            ``notify``.
    """
    if "@" in tracking_uri or without_credentials(tracking_uri) != tracking_uri:
        raise UsageError(
            "others could read credentials in --tracking-uri in the job's command; "
            "put them into ~/.mlflow/credentials on the cluster"
        )
    if any(is_part(override) for override in overrides):
        raise UsageError(
            f"others could read the address of {KEY} in the job's command; put it into the sweep file"
        )
