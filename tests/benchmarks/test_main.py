"""The page of performance says what the scripts measured, in their words."""

from benchmarks.__main__ import PAGE, page
from tests.docs.pages import text_of


def without_machine(text: str) -> list[str]:
    """The lines of the page that do not depend on where it is written."""
    return [line for line in text.rstrip().splitlines() if not line.startswith(("- Machine: ", "- Python "))]


def test_the_page_is_what_the_scripts_and_their_rows_make() -> None:
    assert without_machine(text_of(str(PAGE))) == without_machine(page())
