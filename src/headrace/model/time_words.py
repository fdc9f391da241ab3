"""Instants and spans in the words of people."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))


def span(milliseconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min``, ``2 h``, ``5 days``: the largest unit of which there are two."""
    for unit, size in _UNITS:
        number = milliseconds / size
        if number >= 2 or unit == "s":
            text = f"{number:.1g}" if number < 1 else f"{number:.0f}"
            return f"{text} {unit}{'s' if unit == 'day' else ''}"
    raise AssertionError("the last unit takes what is left")


def instant_words(at: int) -> str:
    """An instant in UTC, to the second."""
    try:
        return (_EPOCH + timedelta(seconds=at // 1000)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{at} ms after 1970"


def until_words(at: int, now: int) -> str:
    """An instant to come, as seen from now."""
    return f"{instant_words(at)}, in {span(at - now)}" if at > now else "any moment"
