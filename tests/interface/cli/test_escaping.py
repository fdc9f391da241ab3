"""Whoever can enqueue must not be able to steer the operator's terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.interface.cli.escaping import escape, escape_block


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain, ünïcode, 漢字", "plain, ünïcode, 漢字"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\tc\rd", r"a\x0ab\x09c\x0dd"),
        ("\x7f\x00", r"\x7f\x00"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\ud800", r"\ud800"),
    ],
)
def test_one_line(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_block_keeps_lines_and_tabs_and_nothing_else() -> None:
    assert escape_block("a\n\tb\r\x1b[2J") == "a\n\tb\\x0d\\x1b[2J"


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_steers_is_left(text: str) -> None:
    escaped = escape(text)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in escaped)
    escaped.encode()
    assert set(escape_block(text)) - set(escaped) <= {"\n", "\t"}
