"""AG News on rows written here: what a row becomes, and errors."""

from pathlib import Path

import pytest

from tests.trainables.datasets.corpora import PLAIN, refused, words
from trainables.data.text import TextSettings
from trainables.datasets.agnews import AgNews

pytestmark = pytest.mark.usefixtures("empty_cache")


def write_agnews(root: Path, train: str | bytes | None = None, rows: int = 60) -> Path:
    folder = root / "ag_news_csv"
    folder.mkdir()
    generated = [f'"{i % 4 + 1}","Title {i}","Word{i % 4} said \\\\ ""{i}"""\n' for i in range(rows)]
    content = "".join(generated) if train is None else train
    (folder / "train.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "test.csv").write_text("".join(f"{i % 4 + 1},,Test word{i % 4} {i}\n" for i in range(8)))
    return root


def test_agnews_joins_title_and_description(tmp_path: Path) -> None:
    data = AgNews().load(write_agnews(tmp_path), TextSettings(**PLAIN))
    assert [len(split) for split in (data.train, data.valid, data.test)] == [55, 5, 8]
    assert data.classes == 4
    vocabulary = words(data)
    assert {"title", "said", "word0"} <= set(vocabulary)
    assert not any("\\" in word or '"' in word for word in vocabulary)
    first = [vocabulary[i] for i in data.test.tokens[0].tolist()]
    assert first[:3] == ["<unk>", "word0", "0"]


ROW = '"1","title","text"\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"train\.csv is empty"),
        (ROW * 2 + '"5","title","text"\n', r"train\.csv, line 3: label '5' is none of 1, 2, 3, 4"),
        (ROW + '"2","a\nb","text"\n' + '"3","title"\n', r"train\.csv, line 4: 2 values, not 3"),
        (ROW + '"2","title","text', r"train\.csv, line 2: not a CSV row"),
        (ROW.encode() + b'"2","caf\xe9","x"\n', r"train\.csv, line 2: not UTF-8"),
        ("".join(f"{i % 4 + 1},,Test word{i % 4} {i}\n" for i in range(8)), r"content .* is already in"),
    ],
)
def test_a_broken_csv_file_is_one_clear_error(tmp_path: Path, content: str | bytes, message: str) -> None:
    refused(AgNews(), write_agnews(tmp_path, content), TextSettings(**PLAIN), message)
