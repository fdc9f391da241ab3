"""What a handler may tell of its work: checked, and cut to what is kept."""

from headrace.model.bounds import bounded
from headrace.model.errors import InvalidOption
from headrace.model.job import LOG_LINES, LogLine, Notes

LONGEST_LINE = 1024
"""Bytes of a log line, or of the message beside a percentage; what is longer is cut, with a mark."""


def progress(percent: object, message: object = None) -> Notes:
    """How far it is, or InvalidOption."""
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        raise InvalidOption("percent", percent, "it must be a number from 0 to 100")
    if message is not None and not isinstance(message, str):
        raise InvalidOption("message", message, f"it must be text, not {type(message).__name__}")
    return Notes(float(percent), None if message is None else bounded(message, LONGEST_LINE))


def line(at: int, attempt: int, level: str, text: str) -> Notes:
    """One line of the log."""
    return Notes(lines=(LogLine(at, attempt, level, bounded(text, LONGEST_LINE)),))


def merged(before: Notes, new: Notes) -> Notes:
    """Both, as one: the later progress stands, the lines follow each other, and the oldest go first."""
    told = new.percent is not None or new.message is not None
    return Notes(
        percent=new.percent if told else before.percent,
        message=new.message if told else before.message,
        noted_at=new.noted_at if told else before.noted_at,
        lines=(*before.lines, *new.lines)[-LOG_LINES:],
    )
