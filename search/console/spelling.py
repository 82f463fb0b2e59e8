"""Text for terminals: symbols that the encoding lacks become words, and control characters are escaped."""

import codecs
import json
from io import TextIOWrapper
from typing import Any

_WORDS = {
    "ε": "eps",
    "τ": "tau",
    "ρ": "rho",
    "σ": "sigma",
    "γ": "gamma",
    "α": "alpha",
    "β": "beta",
    "η": "eta",
    "λ": "lambda",
    "δ": "delta",
    "θ": "theta",
    "∇": "grad",
    "²": "^2",
    "Σ": "sum ",
    "Π": "project",
    "ν": "nu",
    "∘": "*",
    "½": "1/2",
    "₁": "_1",
    "₂": "_2",
    "ᵀ": "^T",
    "∓": "-/+",
    "←": "<-",
    "μ": "mu",
    "ξ": "xi",
    "ℓ": "l",
    "ₓ": "_x",
    "ᵢ": "_i",
    "′": "'",
    "×": "x",
    "±": "+/-",
    "·": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "∞": "inf",
    "→": "->",
    "‖": "||",
    "’": "'",
    "“": '"',
    "”": '"',
}
_BLANK = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
"""Characters that only leave space."""
_ERRORS = "dropattack.spelled"


def spell_out(stream: Any) -> None:
    """Makes a text stream write characters that its encoding lacks as words, or else as escapes."""
    if isinstance(stream, TextIOWrapper):
        codecs.register_error(_ERRORS, _spelled)
        stream.reconfigure(errors=_ERRORS)


def printable(text: str) -> str:
    r"""A text with JSON escapes for characters that a terminal would obey or show in another order.

    Examples:
        >>> printable("\x1b[2J and \u202e")
        '\\u001b[2J and \\u202e'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _BLANK else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(
        _WORDS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking
    ), error.end
