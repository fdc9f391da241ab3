"""Which job an assertion asks for, and how jobs read in its message."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from headrace.interface.app import Headrace
from headrace.interface.task import Bound, Call
from headrace.interface.template import Template
from headrace.model.codec import decode_bytes
from headrace.model.duration import instant, seconds
from headrace.model.errors import HeadraceError, InvalidArguments, InvalidOption
from headrace.model.job import Encoding, Job
from headrace.model.outline import outline
from headrace.runtime.registry import Handler

_LONGEST = 300
"""Characters of the arguments of a job in a message."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


class Wanted:
    """A task, some of its arguments, and some of what its job was enqueued with."""

    def __init__(
        self, app: Headrace, task: Bound[..., Any] | Call[Any] | str, args: Sequence[object], kwargs: Mapping[str, Any]
    ) -> None:
        self._app = app
        name, template = _named(task)
        self.task = name
        self._handler = app.registry.get(name)
        if isinstance(task, Call):
            if args or kwargs:
                raise InvalidOption("task", name, "a call has its arguments already; give the task and arguments")
            args, kwargs = _arguments_of(self._handler, task.payload, task.encoding)
        taken = frozenset(_parameters(self._handler))
        options = {} if template is None else _asked(template, app)
        for option, read in _OPTIONS.items():
            if option in kwargs and option not in taken:
                options[option] = read(kwargs[option], app.clock.wall())
        self._options = options
        own = {key: value for key, value in kwargs.items() if key in taken or key not in _OPTIONS}
        self._arguments = _bound(self._handler, name, args, own)

    def fits(self, job: Job) -> bool:
        """Whether it is such a job. Arguments that were not named are not looked at."""
        if job.task != self.task or any(_FOUND[name](job) != value for name, value in self._options.items()):
            return False
        there = arguments(self._app, job)
        return all(name in there and _same(there[name], value) for name, value in self._arguments.items())

    def __str__(self) -> str:
        options = [f"{name}={_shown_option(name, value)}" for name, value in self._options.items()]
        return _call_text(self.task, self._arguments) + (f" with {', '.join(options)}" if options else "")


def arguments(app: Headrace, job: Job) -> Mapping[str, object]:
    """A job's arguments by name, in the types of its handler; bytes under the name ``data``."""
    handler = app.registry.get(job.task)
    try:
        args, kwargs = _arguments_of(handler, job.payload, job.encoding)
        return _bound(handler, job.task, args, kwargs)
    except HeadraceError:  # another version of the task enqueued it
        bound = _arguments_of(None, job.payload, job.encoding)
        return _bound(None, job.task, *bound)


def describe(app: Headrace, job: Job) -> str:
    """One job in a line: the call, the queue, when it is due, its state."""
    handler = app.registry.get(job.task)
    hidden = handler is not None and handler.sensitive
    call = f"{job.task}(...)" if hidden else _call_text(job.task, arguments(app, job))
    wait = (job.due_at - app.clock.wall()) / 1000
    due = f", due in {_span(wait)}" if wait > 0 and job.worker is None else ""
    return f"{call} on queue {job.queue!r}{due}: {job.state}"


def _named(task: Bound[..., Any] | Call[Any] | str) -> tuple[str, Template | None]:
    match task:
        case Bound() | Call():
            return task.template.task, task.template
        case str():
            return task, None
        case _:
            raise InvalidOption("task", task, "it must be a task, task.using(...), task.call(...) or a name")


def _asked(template: Template, app: Headrace) -> dict[str, object]:
    """What ``using`` said that the task does not say by itself."""
    handler = app.registry.get(template.task)
    asked: dict[str, object] = {}
    if handler is not None and template.route.queue != handler.queue:
        asked["queue"] = template.route.queue
    if template.priority is not None and (handler is None or template.priority != handler.priority):
        asked["priority"] = template.priority
    if template.at is not None:
        asked["at"] = template.at
    elif template.delay:
        asked["delay"] = round(template.delay * 1000)
    if template.key is not None:
        asked["key"] = template.key
    return asked


_OPTIONS: Mapping[str, Callable[[Any, int], object]] = {
    "queue": lambda value, _: value,
    "delay": lambda value, _: round(seconds(value, "delay") * 1000),
    "at": lambda value, now: instant(value, "at", now),
    "priority": lambda value, _: value,
    "key": lambda value, _: value,
}
_FOUND: Mapping[str, Callable[[Job], object]] = {
    "queue": lambda job: job.queue,
    "delay": lambda job: job.due_at - job.enqueued_at,
    "at": lambda job: job.due_at,
    "priority": lambda job: job.priority,
    "key": lambda job: job.key,
}


def _shown_option(name: str, value: Any) -> str:
    match name:
        case "delay":
            return _span(value / 1000)
        case "at":
            return datetime.fromtimestamp(value / 1000, UTC).isoformat()
        case _:
            return repr(value)


def _parameters(handler: Handler | None) -> Mapping[str, inspect.Parameter]:
    return {} if handler is None else inspect.signature(handler.function).parameters


def _arguments_of(
    handler: Handler | None, payload: str, encoding: Encoding
) -> tuple[Sequence[object], Mapping[str, Any]]:
    if encoding is Encoding.BYTES:
        return (decode_bytes(payload),), {}
    if handler is None:
        return (), msgspec.json.decode(payload)
    call = handler.signature.decode(payload)
    return call.args, call.kwargs


def _bound(
    handler: Handler | None, task: str, args: Sequence[object], kwargs: Mapping[str, Any]
) -> Mapping[str, object]:
    if handler is None:
        if len(args) > 1 or (args and not isinstance(args[0], bytes)):
            raise InvalidArguments(task, "this program doesn't register the task: name its arguments")
        return {**({"data": args[0]} if args else {}), **kwargs}
    try:
        bound = inspect.signature(handler.function).bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidArguments(task, str(error)) from None
    named = dict(bound)
    for name, parameter in _parameters(handler).items():
        if parameter.kind is parameter.VAR_KEYWORD:
            named.update(named.pop(name, {}))
    return named


def _same(there: object, wanted: object) -> bool:
    try:
        if there == wanted:
            return True
        return msgspec.json.encode(there) == msgspec.json.encode(wanted)  # a tuple that came back as a list, say
    except Exception:  # values of the user's: whatever can't be compared is not the same
        return False


def _call_text(task: str, named: Mapping[str, object]) -> str:
    text = ", ".join(f"{name}={_value_text(value)}" for name, value in named.items())
    return f"{task}({text if len(text) <= _LONGEST else text[:_LONGEST] + '...'})"


def _value_text(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return outline(value)


def _span(seconds_left: float) -> str:
    if seconds_left < 1:
        return f"{seconds_left * 1000:g}ms"
    parts: list[str] = []
    left = round(seconds_left)
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts[:2])
