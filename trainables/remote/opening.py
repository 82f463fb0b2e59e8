"""Opens the store at an address, with the credentials that the provider's own tools would use."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dropattack import UsageError
from trainables.remote.address import Address
from trainables.remote.amazon import s3_settings
from trainables.remote.bucket import Bucket
from trainables.remote.reasons import reason

REQUEST_SECONDS = 20.0
"""Longest time of one attempt at a request."""
_CONNECT_SECONDS = 5.0


def open_bucket(address: Address) -> Bucket:
    """Opens the objects under an address.

    It finds credentials as the provider's own tools do: in the environment, in profiles, or by the role of
    the machine. So it finds the endpoint and the region of S3 (``AWS_ENDPOINT_URL``, ``AWS_REGION``).

    Raises:
        UsageError: The extra ``cloud`` is not installed, or there are no credentials.
    """
    if address.scheme == "memory":
        return Bucket(address, _memory(address))
    try:
        import obstore.store as stores

        amazon = s3_settings(address) if address.scheme == "s3" else {}
    except ImportError:
        raise UsageError(f"{address} needs the extra `cloud`: pip install 'dropattack[cloud]'") from None
    seconds = timedelta(seconds=REQUEST_SECONDS)
    shared: dict[str, Any] = {
        "prefix": address.prefix or None,
        "client_options": {"timeout": seconds, "connect_timeout": timedelta(seconds=_CONNECT_SECONDS)},
        "retry_config": {"max_retries": 0, "retry_timeout": seconds},
    }
    try:
        if address.scheme == "s3":
            return Bucket(address, stores.S3Store(address.bucket, **_joined(shared, amazon)))
        kind = stores.GCSStore if address.scheme == "gs" else stores.AzureStore
        return Bucket(address, kind(address.bucket, **shared))
    except _errors() as error:
        if "Account must be specified" in str(error):
            raise UsageError(
                f"there are no credentials for {address}; set AZURE_STORAGE_ACCOUNT_NAME, and "
                "AZURE_STORAGE_ACCOUNT_KEY or the variables of a role"
            ) from None
        raise UsageError(f"{address} cannot be used: {reason(str(error))}") from None


def _errors() -> tuple[type[Exception], ...]:
    """The errors that `obstore` raises."""
    from obstore.exceptions import BaseError

    return (BaseError, ValueError)


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**one, **other}
    joined["client_options"] = {**one["client_options"], **other.get("client_options", {})}
    return joined


_MEMORIES: dict[Address, Any] = {}
"""The stores in this process's memory that have been opened."""


def _memory(address: Address) -> Any:
    try:
        from obstore.store import MemoryStore
    except ImportError:
        raise UsageError(f"{address} needs the extra `cloud`: pip install 'dropattack[cloud]'") from None
    return _MEMORIES.setdefault(address, MemoryStore())
