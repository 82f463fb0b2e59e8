"""Access to S3: credentials, region and endpoint as Amazon's own tools find them."""

import os
from typing import Any
from urllib.parse import urlsplit

from dropattack import UsageError
from trainables.remote.address import Address

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGION = "us-east-1"
"""The region for servers without regions."""


def s3_settings(address: Address) -> dict[str, Any]:
    """The arguments that `obstore.store.S3Store` needs beside the bucket.

    Raises:
        UsageError: There are no credentials, or a profile cannot be read.
    """
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise UsageError(f"there are no credentials for {address}: {' '.join(str(error).split())}") from None
    if credentials is None:
        raise UsageError(
            f"there are no credentials for {address}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, or run with a role that has some"
        )
    settings: dict[str, Any] = {
        "region": session.region_name or os.environ.get("AWS_REGION") or _REGION,
        "credential_provider": Boto3CredentialProvider(session),
    }
    if endpoint := next(filter(None, map(os.environ.get, _ENDPOINTS)), ""):
        if not urlsplit(endpoint).hostname or urlsplit(endpoint).scheme not in ("http", "https"):
            raise UsageError(f"AWS_ENDPOINT_URL must be http://HOST:PORT or https://HOST, for {address}")
        settings["endpoint"] = endpoint
        settings["client_options"] = {"allow_http": endpoint.startswith("http://")}
    return settings
