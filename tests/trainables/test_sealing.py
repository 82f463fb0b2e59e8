"""JSON that bears its own checksum: one changed bit anywhere in it is noticed, and other tools read it."""

import json
import zlib
from typing import Any

import pytest

from trainables.sealing import NotWholeError, sealed, unsealed

VALUES: list[dict[str, Any]] = [
    {"a": 1},
    {"op_code": 8, "user_attr": {"x": [1.5, None, "ü"], "crc32": "no"}},
    {"text": 'a "crc32":"00000000"} in it', "many": list(range(40))},
]
FORMS = pytest.mark.parametrize(
    ("values", "indent"), [(values, indent) for values in VALUES for indent in (None, 1, 2)]
)


@FORMS
def test_it_is_json_with_one_more_key(values: dict[str, Any], indent: int | None) -> None:
    text = sealed(values, indent)
    body = text[: text.rindex(b",")]
    assert json.loads(text) == {**values, "crc32": f"{zlib.crc32(body):08x}"}
    assert unsealed(text) == (values, True)


@FORMS
def test_any_bit_that_flips_is_noticed(values: dict[str, Any], indent: int | None) -> None:
    text = sealed(values, indent)
    for bit in range(8 * len(text)):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found, has_checksum = unsealed(bytes(flipped))
        except NotWholeError:
            continue
        assert not has_checksum, "its key alone was hit: it is no longer called a checksum"
        assert set(found) - set(values), "and so it is a key that should not be there"


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_what_is_cut_short_is_noticed(cut: int) -> None:
    with pytest.raises(NotWholeError):
        unsealed(sealed({"many": list(range(40))}, 1)[:-cut])


def test_text_of_before_is_read_as_it_is() -> None:
    assert unsealed(b'[{"a": 1}]') == ([{"a": 1}], False)
    assert unsealed(b"7") == (7, False)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[" * 10**5, b"# something else"])
def test_what_is_no_json_is_named_so(text: bytes) -> None:
    with pytest.raises(NotWholeError, match="is no JSON"):
        unsealed(text)
