"""The command of a job, which whoever sees the job sees too."""

from collections.abc import Sequence

from dropattack import UsageError
from search.definition.notify import KEY, is_part
from search.records.redaction import without_credentials


def run_words(
    source: str, store: str, data: str, tracking_uri: str, overrides: Sequence[str], scale: str
) -> list[str]:
    """What follows ``python`` to run a sweep; options that are empty are left to the nodes' defaults."""
    options = {"--store": store, "--data": data, "--tracking-uri": tracking_uri, "--scale": scale}
    words = ["-m", "search", "run", source]
    words += [word for option, value in options.items() if value for word in (option, value)]
    return words + [word for override in overrides for word in ("--set", override)]


def check_open(tracking_uri: str, overrides: Sequence[str]) -> None:
    """Refuses what nobody else should see.

    Args:
        tracking_uri: The MLflow server's address.
        overrides: As ``--set`` takes them.

    Raises:
        UsageError: The address holds a user, a password or a token, or an override says who is told when a
            run ends.
    """
    if "@" in tracking_uri or without_credentials(tracking_uri) != tracking_uri:
        raise UsageError(
            "credentials in --tracking-uri would be seen in the job's command; "
            "put them into ~/.mlflow/credentials on the cluster"
        )
    if any(is_part(override) for override in overrides):
        raise UsageError(
            f"the address of {KEY} would be seen in the job's command; put it into the sweep file"
        )
