"""Keeps passwords out of what is printed, recorded or reported."""

import re

_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")
_PASSWORD_OPTION = re.compile(r"(?<=[?&]password=)[^&\s]*")


def without_credentials(text: str) -> str:
    """A text whose URLs have lost user names and passwords.

    Example:
        >>> without_credentials("http://ann:secret@host:5000 is down")
        'http://host:5000 is down'
    """
    return _PASSWORD_OPTION.sub("***", _USER_AND_PASSWORD.sub("", text))
