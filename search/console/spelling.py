"""Symbols in words, for terminals whose encoding lacks them."""

import codecs
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
_ERRORS = "dropattack.spelled"


def spell_out(stream: Any) -> None:
    """Makes a text stream write what its encoding lacks in words or, where there is none, as an escape."""
    if isinstance(stream, TextIOWrapper):
        codecs.register_error(_ERRORS, _spelled)
        stream.reconfigure(errors=_ERRORS)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(
        _WORDS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking
    ), error.end
