"""Tokens, vocabulary and word vectors."""

import gzip
from pathlib import Path

import pytest
import torch

from dropattack import UsageError
from trainables.data import text
from trainables.data.splits import PADDING, UNKNOWN
from trainables.data.tokens import STOP_WORDS, notebook_tokens, treebank


# The expected tokens are those that NLTK 3.9's NLTKWordTokenizer gave for each lower-cased sentence.
@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("It's a good-looking film!", "it 's a good-looking film !"),
        ("I don't think they can't.", "i do n't think they ca n't ."),
        ("Great... or so (he said), I'd say.", "great ... or so ( he said ) , i 'd say ."),
        ('He called it "the best" of 1999.', "he called it `` the best '' of 1999 ."),
        ("Costs $3,000 at 10:30; we cannot pay", "costs $ 3,000 at 10:30 ; we can not pay"),
        ("Good.<br /><br />Bad", "good. < br / > < br / > bad"),
        ("The U.S. film, e.g. this 'one'.", "the u.s. film , e.g. this ' one ' ."),
        ("end -- of; #1 & 50% [a] {b}", "end -- of ; # 1 & 50 % [ a ] { b }"),
        ("gonna gotta lemme d'you....", "gon na got ta lem me d'you ...."),
        ("the actors' roles, they'll go", "the actors ' roles , they 'll go"),
    ],
)
def test_treebank_tokens_are_those_of_nltk(sentence: str, tokens: str) -> None:
    assert " ".join(treebank(sentence)) == tokens


def test_a_full_stop_before_white_space_ends_a_sentence() -> None:
    assert treebank("The first. The U.S. second.") == ["the", "first", ".", "the", "u.s.", "second", "."]


def test_the_notebooks_drop_negation_words_but_not_their_clitic() -> None:
    found = notebook_tokens("This was not a good movie, no, it wasn't...<br />")
    assert found == ["good", "movie", "n't", "...", "br"]
    assert len(STOP_WORDS) == 179


def test_the_vocabulary_holds_the_most_frequent_words_and_ties_go_by_alphabet() -> None:
    words = text.vocabulary([["b", "a", "c"], ["c", "b", "d"]], size=3)
    assert words == {"<unk>": UNKNOWN, "<pad>": PADDING, "b": 2, "c": 3, "a": 4}


def test_encoding_cuts_pads_and_never_gives_an_empty_text() -> None:
    words = text.vocabulary([["a", "b"]], size=10)
    ids, lengths = text.encode([["a", "b", "a"], [], ["x"], ["<pad>"]], words, fix_length=2)
    assert ids.tolist() == [[2, 3], [UNKNOWN, PADDING], [UNKNOWN, PADDING], [PADDING, PADDING]]
    assert lengths.tolist() == [2, 1, 1, 1]
    assert ids.dtype == torch.int32
    assert text.encode([["a", "b", "a"]], words, fix_length=0)[1].tolist() == [3]


GLOVE = "the 0.5 -1 2e-3\ncafé 1 2 3\nof 4 5 6\n"


@pytest.mark.parametrize("compressed", [False, True])
def test_vectors_of_any_size_are_read_for_known_words(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / ("glove.txt.gz" if compressed else "glove.txt")
    content = GLOVE.encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    words = text.vocabulary([["café", "the", "xyz"]], size=10)
    known, vectors = text.read_vectors(path, words)
    assert {word for word, index in words.items() if index in known} == {"café", "the"}
    rows = dict(zip(known.tolist(), vectors.tolist(), strict=True))
    assert rows[words["the"]] == pytest.approx([0.5, -1, 0.002])
    assert rows[words["café"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"the 1 2\nof 1\n", r"line 2: 1 numbers for 'of', not 2"),
        (b"the 1 2\nof 1 x\n", r"line 2: could not convert string to float: 'x'"),
        (b"the 1 nan\n", r"line 1: a number is not finite"),
        (b"the 1 2\n\xff 1 2\n", r"line 2: not UTF-8"),
        (b"the\n", r"line 1: 0 numbers"),
        (b"", r"is empty"),
    ],
)
def test_broken_vectors_are_told_by_their_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "glove.txt"
    path.write_bytes(content)
    words = text.vocabulary([["the", "of"]], size=10)
    for read in (lambda: text.read_vectors(path, words), lambda: text.check_vectors(path)):
        with pytest.raises(UsageError, match=rf"glove\.txt.*{message}"):
            read()


def test_checking_vectors_reads_the_numbers_of_every_word(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE)
    assert text.check_vectors(path) == (3, 3)
    path.write_text(f"{GLOVE}cat 0.1 inf 2\n")
    text.read_vectors(path, {"the": 2})
    with pytest.raises(UsageError, match=r"glove\.txt, line 4: a number is not finite"):
        text.check_vectors(path)


def test_vectors_that_are_not_there_are_named_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove" / "small.txt.gz").touch()
    with pytest.raises(UsageError, match=r"glove\.6B\.300d\.txt is missing; .* there \(small\.txt\)"):
        text.vectors_file(tmp_path, "glove.6B.300d.txt")


def test_unknown_shares() -> None:
    words = text.vocabulary([["a", "b", "a"]], size=10)
    splits = {"train": [["a", "b", "a"]], "valid": [["a", "x"], ["y", "z"]]}
    shares = text.unknown_shares(splits, words, known=torch.tensor([2]))
    assert shares == {"train_unknown_share": 0, "valid_unknown_share": 0.75, "without_vector_share": 0.5}
