"""A glossary is looked things up in: it is in order, short, and leads on."""

import re

import pytest

from tests.docs.pages import text_of

ENTRIES = dict(re.findall(r"^### (.*)\n\n((?:.+\n)+)", text_of("docs/glossary.md"), re.MULTILINE))


def test_entries_are_in_order_and_each_heading_has_one() -> None:
    headings = re.findall(r"^### (.*)$", text_of("docs/glossary.md"), re.MULTILINE)
    assert headings == sorted(headings, key=str.casefold) == list(ENTRIES)


@pytest.mark.parametrize("term", ENTRIES)
def test_an_entry_is_two_sentences_at_most_with_a_link(term: str) -> None:
    assert re.search(r"\]\([\w/.-]+\.md", ENTRIES[term])
    assert len(re.findall(r"\.\)?(?:\s|$)", ENTRIES[term])) <= 2
