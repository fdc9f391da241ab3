"""The only file that writes log lines, and that says what they look like."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

from headrace.model.errors import LeaseLost
from headrace.runtime import events
from headrace.runtime.events import Event

logger = logging.getLogger("headrace")

LogFormat = Literal["text", "json"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tab and line feed: log lines quote stored text, and are read at terminals."""
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def report(who: str, error: BaseException) -> None:
    """An error that a loop, a worker or a listener survived."""
    if isinstance(error, LeaseLost):
        logger.warning("%s: %s", who, error)
    else:
        logger.error("%s: %s: %s", who, type(error).__name__, error)


_LONGEST_REASON = 500
LOGGED = {
    events.FAILED: logging.WARNING,
    events.DEAD_LETTER: logging.ERROR,
    events.RESCUED: logging.WARNING,
}
"""The events that become log lines, and at which level."""


def log_event(event: Event) -> None:
    """A listener: what went wrong with a job."""
    what = event.id.removeprefix("queue.job.").replace("_", " ")
    fields = {"job_id": event.job_id, "task": event.task, "queue": event.queue, "attempt": event.attempt}
    logger.log(
        LOGGED[event.id],
        "%s: job %s, task %s, attempt %d: %s",
        what,
        event.job_id,
        event.task,
        event.attempt,
        (event.reason or "")[:_LONGEST_REASON],
        extra=fields,
    )


def configure_logs(log_format: str) -> None:
    """Log lines of the whole process to stderr; but where the program set up logging itself, that stands."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root.addHandler(handler)
    root.setLevel(logging.INFO)


class TextLines(logging.Formatter):
    """For people: time, level, who, what."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{_time(record)} {record.levelname:<7} {record.name}: {_message(record)}"
        return _CONTROL.sub(_spell, text).replace("\n", "\n    ")  # stored text can't pose as a line of its own


class JsonLines(logging.Formatter):
    """For programs: one JSON object a line, with whatever ``extra=`` was given."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
        return json.dumps(fields, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """With the traceback, where there is one."""
    try:
        text = record.getMessage()
    except Exception:  # arguments that don't fit: the line is worth more than its form
        text = f"{record.msg} {record.args!r}"
    if record.exc_info:
        text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    return text


def _spell(found: re.Match[str]) -> str:
    return f"\\x{ord(found.group()):02x}"
