"""The log of one job: its lines are kept with the job, and passed on to the program's own logging."""

import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from headrace.model import notes
from headrace.model.error_chain import format_error_chain
from headrace.model.job import Job, Notes
from headrace.model.outline import outline

if TYPE_CHECKING:
    from headrace.runtime.attempt import Attempt

logger = logging.getLogger("headrace.job")
"""Where the lines of all jobs are passed on to."""

KEPT = logging.INFO
"""The least level that is kept with the job."""


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """A logger as any other: ``debug``, ``info``, ``warning``, ``error``, ``exception``, ``log``.

    What is ``info`` or worse is kept with the job, whatever the program's logging lets through: the last 100 lines,
    each cut at 1 KiB. All is passed on to the logger ``headrace.job``.
    """

    def __init__(self, attempt: "Attempt") -> None:
        super().__init__(logger, _fields(attempt.job))
        self._attempt = attempt

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write one line."""
        services, kept = self._attempt.services, level >= KEPT
        if kept:
            line = notes.line(
                services.clock.wall(),
                self._attempt.job.attempt,
                logging.getLevelName(level).lower(),
                _text(level, msg, args, kwargs.get("exc_info")),
            )
            services.notebook.note(self._attempt, line)
        if services.passes_on or not kept:
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the line is the handler's, not this one
            super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds which job the line is about."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def pass_on(job: Job, told: Notes) -> None:
    """To the program's own logging: lines that came from a process."""
    levels = logging.getLevelNamesMapping()
    for line in told.lines:
        logger.log(levels.get(line.level.upper(), KEPT), "%s", line.text, extra=_fields(job))


def _fields(job: Job) -> dict[str, object]:
    return {"job_id": job.id, "task": job.task, "queue": job.queue, "attempt": job.attempt}


def _text(level: int, msg: object, args: tuple[object, ...], exc_info: object) -> str:
    """The line as logging would write it; arguments that don't fit cost its form, never the handler."""
    try:
        text = logging.LogRecord(logger.name, level, "", 0, msg, args, None).getMessage()
    except BaseException:
        text = f"{outline(msg)} {outline(args)}"
    error = _error(exc_info)
    return text if error is None else f"{text}: {format_error_chain(error)}"


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) == 3 and isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None
