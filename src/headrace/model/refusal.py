"""Why a value can't be stored, and where in the payload it stands."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import cast
from uuid import UUID

from headrace.model.errors import NotSerializable, PayloadRefused, PayloadTooDeep

MAX_DEPTH = 64
"""Containers inside each other, the argument itself being the first."""

_LONGEST_TEXT = 60
_START = slice(_LONGEST_TEXT + 1)
_MOST_SHOWN = 8
_LONGEST_PATH = 400
_SCALARS = frozenset({bool, int, float, type(None), datetime, date, time, timedelta, Decimal, UUID})
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}
_CONTAINERS = frozenset(_BRACKETS)


class Refused(Exception):
    """Raised where the bad value stands; every container on the way out adds its part of the path."""

    def __init__(self, value: object, why: str) -> None:
        super().__init__(why)
        self.value, self.why = value, why
        self.parts: list[str] = []

    def at(self, part: str) -> None:
        """Note one step of the path, the innermost first."""
        self.parts.append(part)

    def public(self, root: str = "") -> PayloadRefused:
        """The error that the caller sees."""
        path = joined(root, self.parts)
        error = NotSerializable(path, Outline(self.value), self.why)
        error.value = self.value
        return error


class RefusedDepth(Refused):
    """A container deeper than MAX_DEPTH, or one that holds itself."""

    def __init__(self) -> None:
        super().__init__(None, "")

    def public(self, root: str = "") -> PayloadRefused:
        """The error that the caller sees."""
        return PayloadTooDeep(joined(root, self.parts), MAX_DEPTH)


class Outline:
    """Stands in a message for a value whose own ``__repr__`` might raise, loop or fill the memory."""

    __slots__ = ("_text",)

    def __init__(self, value: object) -> None:
        self._text = outline(value)

    def __repr__(self) -> str:
        return self._text


def outline(value: object) -> str:
    """A short text for any value; runs no code of the value's own class."""
    kind = type(value)
    if kind in _SCALARS:
        try:
            return repr(value)
        except Exception:  # an int of more digits than Python prints, a time whose tzinfo is broken
            return f"<{kind.__name__}>"
    if issubclass(kind, str):
        return _cut(str.__getitem__(cast("str", value), _START))
    if kind is bytes:
        return _cut(cast("bytes", value)[_START])
    if issubclass(kind, Enum):
        return f"{kind.__name__}.{getattr(value, '_name_', '?')}"
    if kind in _CONTAINERS:
        return _contents(value)
    return f"<{kind.__name__} object>"


def joined(root: str, parts: list[str]) -> str:
    """``root`` and the parts, the innermost first, as one path of bounded length."""
    path = (root + "".join(reversed(parts))).removeprefix(".") or "the value"
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"


def member(key: object) -> str:
    """The part of a path for a member of an object: ``.name`` or ``['any text']``."""
    if type(key) is str and key.isidentifier() and len(key) <= _LONGEST_TEXT:
        return f".{key}"
    return f"[{outline(key)}]"


def named(kind: type) -> str:
    """A class as messages call it."""
    return "None" if kind is type(None) else kind.__name__


def told(error: BaseException) -> str:
    """An exception as text, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text[:_LONGEST_PATH] or type(error).__name__


def _cut(start: str | bytes) -> str:
    return repr(start) if len(start) <= _LONGEST_TEXT else f"{start[:_LONGEST_TEXT]!r}…"


def _contents(value: object) -> str:
    """The items of a small and flat container, the size of any other."""
    items = cast("Collection[object]", value)
    values = list(value.values()) if isinstance(value, dict) else []
    if len(items) > _MOST_SHOWN or any(type(part) in _CONTAINERS for part in (*items, *values)):
        return f"<{type(value).__name__} of {len(items)} items>"
    shown = [outline(item) for item in items]
    if values:
        shown = [f"{key}: {outline(item)}" for key, item in zip(shown, values, strict=True)]
    opening, closing = _BRACKETS[type(value)]
    return f"{opening}{', '.join(shown)}{closing}"
