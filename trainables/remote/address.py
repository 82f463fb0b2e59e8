"""The address of a folder in an object store: ``s3://BUCKET/PREFIX``, and ``gs://``, ``az://``."""

import re
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from dropattack import UsageError

SCHEMES = ("s3", "gs", "az", "memory")
"""Amazon's protocol, Google's, Azure's (the bucket is a container), and this process's memory, for tests."""

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_MEANT = re.compile(rf"{_ADDRESS.pattern}|({'|'.join(SCHEMES)}):.*", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_PREFIX = re.compile(r"[\w.=+ -]+(/[\w.=+ -]+)*")
_LONGEST = 512


def is_address(text: str) -> bool:
    """Whether a text is meant as an address, and not as a folder; `Address.parse` says whether it is one.

    Examples:
        >>> [is_address(text) for text in ("s3://bucket/a", "s3:/bucket/a", "runs/s3")]
        [True, True, False]
    """
    return _MEANT.fullmatch(text) is not None


@dataclass(frozen=True)
class Address:
    """The place of a folder in an object store.

    Attributes:
        scheme: One of `SCHEMES`.
        bucket: The bucket, or Azure's container.
        prefix: The start of all names in the folder, without slashes at its ends; may be empty.
    """

    scheme: str
    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads an address.

        Raises:
            UsageError: It is no address, or no bucket could have that name. The message shows its scheme
                alone, since a password may be in the place of the bucket.
        """
        found = _ADDRESS.fullmatch(text)
        scheme = found["scheme"].lower() if found else ""
        if found is None or scheme not in SCHEMES:
            raise UsageError("the store must be a folder, or begin with s3://, gs:// or az://")
        bucket, _, prefix = found["rest"].partition("/")
        prefix = prefix.strip("/")
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"the store must be {scheme}://BUCKET/PREFIX, with the name of a bucket alone")
        odd = prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")))
        if odd or len(prefix) > _LONGEST:
            raise UsageError(
                f"the store's prefix in {scheme}://{bucket} must be of letters, digits, spaces and -_.=+, "
                f"with / between, and of at most {_LONGEST} characters"
            )
        return cls(scheme, bucket, prefix)

    @override
    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
