"""Tokens and stop words as in the DropAttack notebooks, with nothing to download.

The notebooks lower-case a text, split it as the Penn Treebank does, and drop NLTK's English stop words (so
that "not" goes and "n't" stays) and every token that occurs within Python's `string.punctuation` (so that
"..." stays). NLTK finds sentence ends with a trained model before it splits full stops off. Here a full stop
ends a sentence if white space follows, except after a single letter or a word with a full stop inside.
"""

import re
import string

_RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r'^"|(?<=[\s(\[{<])"', " `` "),
        (r'"', " '' "),
        (r"([^\s.]{2,})\.(?=['\")\]}]*(\s|$))", r"\1 . "),
        (r"\.{2,}", r" \g<0> "),
        (r"--", " -- "),
        (r"([:,])(?!\d)", r" \1 "),
        (r"[;@#$%&?!()\[\]{}<>*]", r" \g<0> "),
        (r"(?<=[^\s'])'(?=\s|$)", " ' "),
        (r"(?<!\w)'(?!(re|ve|ll|[mtsdn])\b)(?=\w)", "' "),
        (r"(?<=[^\s'])('s|'m|'d|'ll|'re|'ve)\b", r" \1 "),
        (r"(?<=\w)n't\b", " n't "),
        (r"\b(can)(not)\b", r"\1 \2"),
        (r"\b(gim|lem)(me)\b", r"\1 \2"),
        (r"\b(gon|wan)(na)\b", r"\1 \2"),
        (r"\b(got)(ta)\b", r"\1 \2"),
    ]
]

_STOP_WORDS = """
i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself yourselves he him his
himself she she's her hers herself it it's its itself they them their theirs themselves what which who whom
this that that'll these those am is are was were be been being have has had having do does did doing a an the
and but if or because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where why how all
any both each few more most other some such no nor not only own same so than too very s t can will just don
don't should should've now d ll m o re ve y ain aren aren't couldn couldn't didn didn't doesn doesn't hadn
hadn't hasn hasn't haven haven't isn isn't ma mightn mightn't mustn mustn't needn needn't shan shan't shouldn
shouldn't wasn wasn't weren weren't won won't wouldn wouldn't
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""NLTK's 179 English stop words."""


def treebank(text: str) -> list[str]:
    """Splits lower-cased text as the Penn Treebank does.

    Examples:
        >>> treebank("It wasn't bad, was it?")
        ['it', 'was', "n't", 'bad', ',', 'was', 'it', '?']
    """
    text = text.lower()
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()


def notebook_tokens(text: str) -> list[str]:
    """`treebank` tokens without stop words and punctuation, as the notebooks pass them to the models.

    Examples:
        >>> notebook_tokens("It wasn't bad, was it...")
        ["n't", 'bad', '...']
    """
    return [token for token in treebank(text) if token not in STOP_WORDS and token not in string.punctuation]
