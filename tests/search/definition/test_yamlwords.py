"""Slips in writing YAML: each is told by its line, in words that need no knowledge of YAML's grammar."""

from pathlib import Path

import pytest
import yaml

from dropattack import UsageError
from search.definition.source import read_source
from search.definition.yamlfile import read_yaml
from search.definition.yamlwords import in_words
from tests.search.definition.slips import GOOD, changed, refusal

FOREIGN = (
    "mapping value",
    "token",
    "flow ",
    "block",
    "scalar",
    "simple key",
    "constructor",
    "unicode string",
    "tag:",
)
"""Words of PyYAML's."""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "told"),
    [
        ("    search: grid", "\tsearch: grid", 7, "a tab stands where only spaces may; indent with spaces"),
        ("name: tiny", "name:\ttiny", 1, "a tab stands"),
        ("name: tiny", "name tiny", 1, "'name tiny' lacks a colon after its key"),
        (
            "workload: digits-lenet5",
            "workload digits-lenet5",
            2,
            "lacks a colon after its key; write",
        ),
        ("    search: grid", "    search grid", 7, "'search grid' lacks a colon"),
        ("    search: grid", "    search grid # why", 7, "lacks a colon"),
        ("name: tiny", "name tiny\n\n# why\n", 1, "lacks a colon"),
        ("seeds: [0]", "seeds:[0]", 4, "'seeds:[0]' lacks a space after its colon"),
        ("workload: d", "workload:\N{NO-BREAK SPACE}d", 2, "lacks a space after its colon"),
        ("name: tiny", "name: tiny: more", 1, "'name: tiny: more' has two colons; put the value in quotes"),
        ("    search: grid", "    search: grid: more", 7, "has two colons"),
        ("    search: grid", "   search: grid", 7, "is indented unlike the lines that it belongs to"),
        ("    search: grid", "      search: grid", 7, "is indented deeper than the line before"),
        ("workload:", "  workload:", 2, "is indented deeper than the line before"),
        ("  - name: baseline", "  -name: baseline", 6, "'-name: baseline' lacks a space after its dash"),
        ("seeds: [0]", "seeds: [0", 4, "the [ of this line is not closed; write ] where it ends"),
        ("seeds: [0]", "seeds: [\n  0,", 4, "the [ of this line is not closed"),
        ("methods: {standard: {}}", "methods: {standard: {}", 8, "the { of this line is not closed"),
        ("seeds: [0]", "seeds: [0]]", 4, "this ] closes nothing; remove it"),
        ("epochs: 2, train", "epochs: 2 train", 3, "lacks a comma or a }"),
        ("seeds: [0]", 'seeds: ["a" "b"]', 4, "lacks a comma or a ]"),
        ("name: tiny", 'name: "tiny', 1, "the quote that begins in this line is not closed"),
        ("seeds: [0]", "seeds: 'zero", 4, "the quote that begins in this line is not closed"),
        (
            "name: tiny",
            'name: "tiny" more',
            1,
            "goes on after its value has ended; put",
        ),
        ("name: tiny", "name: %tiny", 1, "a value cannot begin with %; put it in quotes"),
        ("name: tiny", "name: @tiny", 1, "a value cannot begin with @"),
        ("name: tiny", "name: `tiny`", 1, "a value cannot begin with `"),
        ("search: grid", "search: *", 7, "a value that begins with * must be in quotes, such as '*.w'"),
        ("search: grid", "search: *.w", 7, "a value that begins with * must be in quotes"),
        ("search: grid", "search: & x", 7, "a value that begins with & must be in quotes"),
        ("seeds: [0]", "seeds: *mine", 4, "*mine stands for nothing"),
        ("name: tiny", "name: !tiny x", 1, "a value cannot begin with !; put it in quotes"),
        ("seeds: [0]", "seeds: !!int zero", 4, "is not what its tag"),
        ("seeds: [0]", "seeds: [0]\nseeds: [1]", 5, "key 'seeds' is there twice; keep one of the two"),
        ("    search: grid", "    search: grid\n    search: grid", 8, "key 'search' is there twice"),
        (
            "    methods: {standard: {}}",
            "---\nname: b",
            8,
            "--- begins a second document",
        ),
        ("name: tiny", r'name: "a\q"', 1, "a backslash in double quotes begins a special character"),
        ("name: tiny", r'name: "a\xzz"', 1, "a backslash in double quotes"),
        ("workload: d", "workload: d\0", 2, "the character 0x0000, which no text has; remove it"),
        ("name: tiny", "summary: |bad\n  text", 1, "text after | or > stands in the lines below"),
        ("seeds: [0]", "seeds: [0]\n<<: 3", 5, "<< takes a mapping"),
        ("seeds: [0]", "seeds: - 0", 4, "a list begins below its key, or is written as [a, b]"),
        ("seeds: [0]", "seeds: ]", 4, "a value cannot begin with ]"),
        ("seeds: [0]", "seeds: {a: - 0}", 4, "a list begins below its key"),
        ("seeds: [0]", "seeds: {a:", 4, "the { of this line is not closed"),
        ("name: tiny", "  name: tiny", 1, "is indented deeper than the lines that follow"),
        ("    methods: {standard: {}}", "    methods: > {standard: {}}", 8, "text after | or >"),
        ("name: tiny", "[a]: b", 1, "a list or a mapping cannot be a key"),
    ],
)
def test_a_slip_is_told_by_its_line(tmp_path: Path, right: str, wrong: str, line: int, told: str) -> None:
    path = tmp_path / "mine.yaml"
    said = refusal(read_source, path, changed(right, wrong))
    assert said.startswith(f"{path}, line {line}: not valid YAML: ")
    assert told in said
    assert not any(word in said for word in FOREIGN)


def test_what_nobody_foresaw_is_told_by_its_line() -> None:
    error = yaml.MarkedYAMLError(problem="odd flow token", problem_mark=yaml.Mark("f", 0, 1, 0, None, None))
    assert in_words(error, "a: 1\nb ?\n") == (2, "'b ?' is not understood; put text in quotes")
    assert in_words(yaml.YAMLError("odd token"), "a") == (1, "it cannot be read")


def test_one_line_needs_no_number() -> None:
    with pytest.raises(UsageError, match=r"^--set a: not valid YAML: the \[ of this line is not closed"):
        read_yaml("[1", "--set a")


@pytest.mark.parametrize(
    ("content", "line"),
    [("name: café\n".encode("latin-1"), 1), (b"name: a\nsummary: \xff\n", 2), (GOOD.encode("utf-16"), 1)],
)
def test_a_file_that_is_no_text_is_told_as_such(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "mine.yaml"
    told = "is no text in UTF-8; save the file as UTF-8"
    assert refusal(read_source, path, content) == f"{path} cannot be read: line {line} {told}"


def test_a_file_of_another_kind_is_no_sweep_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    for source in (str(path), "folder/demo"):
        with pytest.raises(UsageError, match=r"is no sweep file: the names of those end in \.yaml, \.yml"):
            read_source(source)
