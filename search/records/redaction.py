"""Keeps passwords out of what is printed, recorded or reported."""

import re

_USER_AND_PASSWORD = re.compile(
    r"(?<=://)(?:[^\s/@?#:]*:[^\s?#]*@|[^\s/@:]*:[^\s/]*@|[^/\s]*@)"  # a password may hold / @ ? and #
)
_SECRET = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|signature|sig"
    r"|(?<![a-z])(?:pass|auth))"
)
_IN_A_QUERY = re.compile(rf"([?&;#][\w.\[\]%-]*{_SECRET}=)[^&;\s'\"]*", re.IGNORECASE)
_IN_WORDS = re.compile(
    r"(?<![\w.-])((?:ssl)?passw(?:or)?d=)(?:'[^']*'|\"[^\"]*\"|[^&;\s'\"]*)", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """A text without the user names, passwords and tokens of its URLs.

    A part that could be a password, such as ``1/a`` in ``http://host:1/a@b``, counts as one.

    Examples:
        >>> without_credentials("http://ann:secret@host:5000/?token=abc is down")
        'http://host:5000/?token=*** is down'
    """
    plain = _USER_AND_PASSWORD.sub("", text)
    return _IN_WORDS.sub(r"\1***", _IN_A_QUERY.sub(r"\1***", plain))
