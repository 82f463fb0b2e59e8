"""Keeps passwords, tokens and keys out of what is printed, recorded or reported."""

import re

_USER_AND_PASSWORD = re.compile(
    r"(?<=://)(?:[^\s/@?#:]*:[^\s?#]*@|[^\s/@:]*:[^\s/]*@|[^/\s]*@)"  # a password may hold / @ ? and #
)
_SECRET = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|signature|sig"
    r"|(?<![a-z])(?:pass|auth))"
)
_IN_A_QUERY = re.compile(rf"([?&;#](?:[\w.\[\]%-]*{_SECRET}|key)=)[^&;\s'\"]*", re.IGNORECASE)

_PART_OF_A_TEXT = r"(?<!pad_)(?<!eos_)(?<!bos_)(?<!unk_)(?<!mask_)(?<!sep_)(?<!cls_)"
"""Before ``token``: names of tokenizers, whose values are no secrets."""
_NAME = (
    rf"[\w.-]*?(?:passw(?:or)?d|passphrase|secret|{_PART_OF_A_TEXT}token|(?:api|access|secret|private|account)"
    r"[_-]?key|credentials?|shared[_-]?access[_-]?signature|(?<=_)pwd|(?-i:(?<![\w-])pwd)"
    r"|(?-i:(?<=[A-Z0-9]_)(?:KEY|PASS|AUTH)))"
)
"""A name that ends as those of secrets do; ``PWD`` is a folder, and a ``backward_pass`` a pass."""
_TELLING = r"(?=\S*\d)\S{6,}"
"""A value that is no word of a sentence."""
_QUOTED = r"'[^']*'|\"[^\"]*\""
_VALUE = rf"(?:{_QUOTED}|[^&;\s'\"]*?(?=[,)\]}}]*(?:[&;\s'\"]|$)))"
_ASSIGNED = re.compile(
    rf"(?<![\w.-])((?:--)?{_NAME}(?:=(?=\S)|['\"]?\s*[:=]\s*(?={_QUOTED}|{_TELLING}))){_VALUE}", re.IGNORECASE
)
_OPTION = re.compile(rf"--{_NAME}", re.IGNORECASE)
_AFTER_AN_OPTION = re.compile(rf"(?<!\S)({_OPTION.pattern}\s+)(?!-)(?:{_QUOTED}|\S+)", re.IGNORECASE)
_HEADER = re.compile(
    r"(\bauthorization['\"]?(?:=|\s*[:=]\s*['\"]?(?:(?:basic|token|digest|apikey|negotiate)\s+"
    rf"|(?={_TELLING}))))(?!bearer\b)[^\s'\",;]+",
    re.IGNORECASE,
)
_BEARER = re.compile(
    rf"(\b(?:Bearer|BEARER|bearer(?=\s+{_TELLING}))\s+)(?!(?:tokens?|auth\w*|realm|headers?)\b)[^\s'\",;]+"
)
_LONG_KEY = re.compile(
    r"(?<![\w.-])(key=['\"]?)(?=[^\s'\"&;]{0,200}\d)(?=[^\s'\"&;]{0,200}[A-Za-z])[^\s'\"&;]{20,}",
    re.IGNORECASE,
)
"""A trial's key is shorter."""
_KNOWN_FORMS = re.compile(
    r"(?<![\w-])(?:AKIA[0-9A-Z]{16}|AIza[\w-]{35}|hf_[A-Za-z0-9]{20,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{20,}|sk-(?=[\w-]*\d)[\w-]{20,}|xox[abp]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
"""Keys and tokens that are known by their first letters: of AWS, Google, Hugging Face, GitHub, and others."""


def without_credentials(text: str) -> str:
    """A text without the user names, passwords, tokens and keys in it.

    A part of an address that could be a password, such as ``1/a`` in ``http://host:1/a@b``, counts as one.
    So does what follows the name of a secret, as in ``A_PASSWORD=…``, ``--token …`` and ``Bearer …``.

    Examples:
        >>> without_credentials("http://ann:secret@host:5000/?token=abc is down")
        'http://host:5000/?token=*** is down'
        >>> without_credentials("refused: Authorization: Bearer abc, HF_TOKEN=abc")
        'refused: Authorization: Bearer ***, HF_TOKEN=***'
    """
    plain = _USER_AND_PASSWORD.sub("", text)
    for pattern in (_IN_A_QUERY, _BEARER, _HEADER, _AFTER_AN_OPTION, _ASSIGNED, _LONG_KEY):
        plain = pattern.sub(r"\1***", plain)
    return _KNOWN_FORMS.sub("***", plain)


def takes_a_secret(option: str) -> bool:
    """Whether the next word of a command line is a secret, as after ``--token``."""
    return _OPTION.fullmatch(option) is not None
