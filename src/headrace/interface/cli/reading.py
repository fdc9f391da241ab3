"""Texts of the command line as the values that they mean."""

from datetime import datetime

from headrace.model.duration import Duration
from headrace.model.errors import InvalidOption


def read_duration(text: str) -> str | float:
    """A bare number is seconds."""
    return float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else text


def read_instant(option: str, text: str) -> datetime:
    """An ISO 8601 time, or InvalidOption."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidOption(option, text, "it must be an ISO 8601 time, such as 2030-01-31T09:00:00+01:00") from None


def read_moment(option: str, text: str | None) -> datetime | Duration | None:
    """An ISO 8601 time, or a duration: so long ago."""
    if text is None or "-" in text[1:]:
        return None if text is None else read_instant(option, text)
    return read_duration(text)
