"""What one enqueue asks for, checked before anything is written: the part of a NewJob that isn't its arguments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypedDict, cast
from uuid import UUID

import msgspec

from headrace.interface.config import check_count
from headrace.model.duration import Duration, instant, seconds
from headrace.model.errors import InvalidOption
from headrace.model.job import DEFAULT_OPTIONS, Encoding, NewJob, Options, Until
from headrace.model.kv import kv_puts
from headrace.model.names import check_key, check_name
from headrace.model.record import Put
from headrace.model.retention import Retention, check_retention
from headrace.model.retry import RetryPolicy, check_max_attempts
from headrace.model.routing import Route
from headrace.runtime.registry import Handler

HIGHEST_NUMBER = 32_767
"""The largest priority number, which is the last in line."""
_MOST_HEADERS = 100
_LONGEST_HEADER = 8_192


class Using(TypedDict, total=False):
    """What ``task.using(...)`` takes."""

    delay: Duration
    at: datetime
    queue: str
    priority: int
    key: str
    strict: bool
    until: Literal["claimed", "finished"]
    for_: Duration
    max_attempts: int
    retry: RetryPolicy
    timeout: Duration
    retention: Retention
    headers: Mapping[str, str]
    id: str | UUID
    kv: Mapping[str, object]
    session: object


class Template(msgspec.Struct, frozen=True, gc=False):
    """Makes the new jobs of one task and one set of options."""

    task: str
    route: Route
    priority: int | None = None
    """None: as the queue says."""
    delay: float = 0.0
    at: int | None = None
    key: str | None = None
    until: Until = Until.FINISHED
    window: float | None = None
    options: Options = DEFAULT_OPTIONS
    id: str | None = None
    strict: bool = False
    """Whether it is an error that the key is held by a job with another task or payload."""
    puts: tuple[Put, ...] = ()
    session: object = None
    """The caller's own transaction, inside which it is enqueued."""

    def make(self, job_id: str, payload: str, encoding: Encoding = Encoding.JSON) -> NewJob:
        """One new job; ``job_id`` is used where the caller gave none of its own."""
        route = self.route
        return NewJob(
            self.id or job_id,
            self.task,
            route.queue,
            payload,
            encoding,
            route.priority if self.priority is None else self.priority,
            self.delay,
            self.at,
            self.key,
            self.until,
            self.window,
            self.options,
            self.puts,
        )


def template_for(handler: Handler) -> Template:
    """What its task asks for, where the caller asks for nothing."""
    options = DEFAULT_OPTIONS if handler.retention is None else Options(retention=handler.retention)
    return Template(handler.name, handler.route, handler.priority, options=options)


def refine(template: Template, using: Using, now_ms: int) -> Template:
    """``template`` with these options, or the first error among them."""
    unknown = set(using) - set(Using.__annotations__)
    if unknown:
        raise InvalidOption(min(unknown), cast("dict[str, object]", using)[min(unknown)], "using() has no such option")
    if "delay" in using and "at" in using:
        raise InvalidOption("at", using["at"], "delay= and at= exclude each other")
    until, window = _until(using)
    return msgspec.structs.replace(
        template,
        route=_route(template.route, using["queue"]) if "queue" in using else template.route,
        priority=check_priority(using["priority"]) if "priority" in using else template.priority,
        delay=seconds(using["delay"], "delay") if "delay" in using else template.delay,
        at=instant(using["at"], "at", now_ms) if "at" in using else template.at,
        key=check_key(using["key"]) if "key" in using else None,
        until=until,
        window=window,
        options=_options(template.options, using),
        id=_id(using["id"]) if "id" in using else None,
        strict=_strict(using),
        puts=kv_puts(using["kv"]) if "kv" in using else (),
        session=using.get("session"),
    )


def _route(route: Route, queue: str) -> Route:
    return Route(check_name("queue", queue), route.priority)


def _strict(using: Using) -> bool:
    strict = using.get("strict", False)
    if not isinstance(strict, bool):
        raise InvalidOption("strict", strict, "it must be True or False")
    if strict and "key" not in using:
        raise InvalidOption("key", None, "strict= says what happens where the key is held: give one")
    return strict


def _until(using: Using) -> tuple[Until, float | None]:
    if "for_" in using:
        if "until" in using:
            raise InvalidOption("for_", using["for_"], "until= and for_= exclude each other")
        window: float | None = seconds(using["for_"], "for_", least=0.001)
        until = Until.WINDOW
    else:
        window = None
        chosen = using.get("until", "finished")
        if chosen not in ("claimed", "finished"):
            raise InvalidOption("until", chosen, 'it must be "claimed" or "finished"')
        until = Until(chosen)
    if "key" not in using and ("for_" in using or "until" in using):
        raise InvalidOption("key", None, "until= and for_= say how long a key holds: give one")
    return until, window


def _options(base: Options, using: Using) -> Options:
    if not using.keys() & {"timeout", "max_attempts", "retry", "retention", "headers"}:
        return base
    retry = using.get("retry", base.retry)
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise InvalidOption("retry", retry, "it must be a RetryPolicy")
    return Options(
        timeout=seconds(using["timeout"], "timeout") if "timeout" in using else base.timeout,
        max_attempts=check_max_attempts(using["max_attempts"]) if "max_attempts" in using else base.max_attempts,
        retry=retry,
        retention=check_retention(using["retention"]) if "retention" in using else base.retention,
        headers=_headers(using["headers"]) if "headers" in using else base.headers,
    )


def check_priority(value: object) -> int:
    """``value`` itself when it is a priority, else InvalidOption."""
    return check_count("priority", value, least=0, most=HIGHEST_NUMBER)


def _headers(value: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > _MOST_HEADERS:
        raise InvalidOption("headers", value, f"it must be a mapping of at most {_MOST_HEADERS} texts")
    for name, text in value.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise InvalidOption("headers", {name: text}, "names and values must be text")
        if not name or len(name) + len(text) > _LONGEST_HEADER:
            raise InvalidOption("headers", name, f"name and value together may have 1 to {_LONGEST_HEADER} characters")
        try:
            (name + text).encode()
        except UnicodeEncodeError:
            raise InvalidOption("headers", name, "it has a lone surrogate, which is no text") from None
    return dict(value)


def _id(value: object) -> str:
    try:
        return str(value if isinstance(value, UUID) else UUID(str(value)))
    except ValueError:
        raise InvalidOption("id", value, "it must be a UUID") from None
