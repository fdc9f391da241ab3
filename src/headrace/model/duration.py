"""Durations and instants as people write them, checked at the edge; seconds and milliseconds inside."""

import math
import re
from datetime import UTC, datetime, timedelta

from headrace.model.errors import InvalidDelay

Duration = timedelta | float | int | str
"""A ``timedelta``, a number of seconds, or text such as ``"500ms"``, ``"30s"``, ``"10m"``, ``"24h"``, ``"7d"``."""

LONGEST = 10 * 365.25 * 86400.0
"""Ten years, in seconds: a longer wait is a mistake."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+", re.ASCII)
_FORMS = 'a timedelta, a number of seconds, or text such as "500ms", "30s", "10m", "24h", "7d"'


def seconds(value: Duration, option: str, *, least: float = 0.0, most: float = LONGEST) -> float:
    """A duration in seconds, or InvalidDelay naming ``option``, the value and the range."""
    number = _number(value, option)
    if not math.isfinite(number) or not least <= number <= most:
        raise InvalidDelay(option, value, f"it must be from {least:g} s to {most:g} s")
    return number


def _number(value: object, option: str) -> float:
    match value:
        case bool():
            raise InvalidDelay(option, value, f"it must be {_FORMS}")
        case timedelta():
            return value.total_seconds()
        case int() | float():
            try:
                return float(value)
            except OverflowError:
                return math.inf
        case str() if len(value) <= 64 and _WHOLE.fullmatch(value):
            return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
        case _:
            raise InvalidDelay(option, value, f"it must be {_FORMS}")


def instant(value: datetime, option: str, now_ms: int) -> int:
    """An aware datetime as milliseconds since 1970 UTC, at most ten years after ``now_ms``."""
    if not isinstance(value, datetime):
        raise InvalidDelay(option, value, "it must be an aware datetime")
    if value.utcoffset() is None:
        raise InvalidDelay(option, value, "a naive datetime means nothing on another machine; give it a tzinfo")
    try:
        moment = round(value.astimezone(UTC).timestamp() * 1000)
    except OverflowError:
        raise InvalidDelay(option, value, "it is outside the range of UTC datetimes") from None
    if moment > now_ms + LONGEST * 1000:
        raise InvalidDelay(option, value, "it is more than ten years ahead")
    return moment
