"""The pages that people read, and the examples in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("docs/**/*.md"))),
]
"""Paths from the project's root. The changelog is no such page: it names what once was."""


def text_of(page: str) -> str:
    """A page as it is written."""
    return (ROOT / page).read_text(encoding="utf-8")


def files(page: str) -> dict[str, str]:
    """The Python examples of a page that begin with a file's name, by that name."""
    named = [(re.match(r"# (\w+\.py)\b", code), code) for code in examples(page, "python")]
    return {found[1]: code for found, code in named if found}


def examples(page: str, language: str) -> list[str]:
    """The fenced examples of a page in one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
