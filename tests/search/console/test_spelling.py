"""What the command prints where the terminal's encoding lacks its symbols."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from dropattack import registered
from search.console.spelling import printable, spell_out
from search.console.terminal import show_line, terminal


@pytest.mark.parametrize(
    ("encoding", "method"),
    [("ascii", "dropattack"), ("ascii:strict", "awp"), ("latin-1", "apb"), ("cp1252", "dropattack")],
)
def test_every_symbol_that_methods_prints_has_a_word(encoding: str, method: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "search", "methods", method]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    words = {"dropattack": b"eps", "awp": b"gamma", "apb": b"eta"}
    assert words[method] in done.stdout
    assert b"\\u" not in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_symbol_of_every_method_has_a_word(encoding: str) -> None:
    under = io.BytesIO()
    stream = io.TextIOWrapper(under, encoding=encoding)
    spell_out(stream)
    for method in registered().values():
        docs = [allowed.doc for allowed in method.settings_type.ranges().values()]
        stream.write(" ".join([method.summary, method.equation, method.source, *docs]))
    stream.flush()
    assert b"\\u" not in under.getvalue()
    assert b"\\x" not in under.getvalue()


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "ε=5 · 2×3 ± 1 ≤ τ", b"eps=5 - 2x3 +/- 1 <= tau"),
        ("latin-1", "ε=5 · 2×3 ± 1", b"eps=5 \xb7 2\xd73 \xb1 1"),
        ("cp1252", "ε…", b"eps\x85"),
        ("ascii", "数据", b"\\u6570\\u636e"),
        ("utf-8", "ε · 数据", "ε · 数据".encode()),
        ("utf-8", "a\udcff", b"a\\udcff"),
    ],
)
def test_what_an_encoding_lacks_is_spelled_and_the_rest_stays(
    encoding: str, text: str, written: bytes
) -> None:
    under = io.BytesIO()
    stream = io.TextIOWrapper(under, encoding=encoding)
    spell_out(stream)
    stream.write(text)
    stream.flush()
    assert under.getvalue() == written


def test_nothing_that_controls_a_terminal_is_printed() -> None:
    for character in map(
        chr, [*range(32), *range(127, 160), 0xAD, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
    ):
        shown = printable(f"a{character}b")
        assert shown.isprintable() or character in "\n\t"
        assert shown[0] + shown[-1] == "ab"
    assert printable("ε 5\N{NO-BREAK SPACE}% · 数据") == "ε 5\N{NO-BREAK SPACE}% · 数据"


@pytest.mark.parametrize(
    "text", ["[/x]", "[red]a[/red]", "[link=http://e]b[/link]", ":smile:", "\x1b[31mc", "\\["]
)
def test_text_is_text_to_the_console(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    table = Table(text, title=text)
    table.add_row(text)
    console.print(table)
    show_line(console, text)
    shown = capsys.readouterr().out
    assert shown.count(printable(text)) == 4
    assert "\x1b" not in shown


def test_a_stream_that_is_no_file_is_left_alone() -> None:
    stream = io.StringIO()
    spell_out(stream)
    stream.write("ε")
    assert stream.getvalue() == "ε"
