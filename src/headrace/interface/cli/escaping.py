"""Stored text, made fit for a terminal: whoever can enqueue must not be able to steer the operator's screen."""

import re

_CONTROL = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: cursor, colours, window titles, the clipboard
    r"\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"  # invisible, or turning the reading direction
    r"\ud800-\udfff"  # lone surrogates, which no encoding takes
)
_IN_LINE = re.compile(f"[{_CONTROL}]")
_IN_BLOCK = re.compile(f"(?![\n\t])[{_CONTROL}]")


def escape(value: object) -> str:
    """One line, whatever it was."""
    return _IN_LINE.sub(_spell, str(value))


def escape_block(text: str) -> str:
    """The same, but it may have lines and tabs."""
    return _IN_BLOCK.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    number = ord(found.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
