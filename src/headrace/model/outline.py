"""Any value as a short text for a message, without running code of the value's own class: a ``__repr__`` that raises,
loops or fills the memory never hides the error it is part of."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import cast
from uuid import UUID

LONGEST_TEXT = 60
_START = slice(LONGEST_TEXT + 1)
_MOST_SHOWN = 8
_SCALARS = frozenset({bool, int, float, type(None), datetime, date, time, timedelta, Decimal, UUID})
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}
_CONTAINERS = frozenset(_BRACKETS)


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


def _cut(start: str | bytes) -> str:
    return repr(start) if len(start) <= LONGEST_TEXT else f"{start[:LONGEST_TEXT]!r}…"


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
