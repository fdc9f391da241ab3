"""Instants as people give them: an aware datetime, or how long ago it was."""

from datetime import datetime

from headrace.model.duration import Duration, instant, seconds

Since = datetime | Duration
"""An instant, as an aware datetime; or a duration: so long ago."""


def moment_of(value: Since, option: str, now: int) -> int:
    """In milliseconds since 1970 UTC, or InvalidDelay."""
    return instant(value, option, now) if isinstance(value, datetime) else now - round(seconds(value, option) * 1000)
