"""Task names and their handlers. Jobs are matched to code by this table alone: no stored name is ever imported."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import get_type_hints

import msgspec

from headrace.model.codec import Call, Signature, decode_bytes
from headrace.model.errors import AlreadyRegistered
from headrace.model.job import Encoding, Job
from headrace.model.retry import RetryPolicy
from headrace.model.routing import Route


class Where(StrEnum):
    """Where a handler runs."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """One task: its code, and what it asks for."""

    name: str
    function: Callable[..., object]
    signature: Signature
    where: Where
    is_async: bool
    route: Route
    priority: int | None = None
    """None: as its queue says."""
    timeout: float = 0.0
    """Seconds an attempt may take; 0 is without limit."""
    retry: RetryPolicy | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    """Where given, only these are tried again."""
    give_up_on: tuple[type[BaseException], ...] = ()
    """These are never tried again."""
    retention: float | dict[str, float] | None = None
    """Seconds, or seconds by state; None: as the queue says."""
    limits: tuple[str, ...] = ()
    """The limits that it takes a permit of before each run."""
    sensitive: bool = False
    returns: object = object
    """The annotation of what it returns."""

    @property
    def queue(self) -> str:
        """Where its jobs go, as things stand."""
        return self.route.queue

    @property
    def origin(self) -> str:
        """Where its code stands, for messages and for process executors."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def read(self, job: Job) -> Call:
        """The job's arguments, as the function's annotations want them, or PayloadUnreadable."""
        if job.encoding is Encoding.BYTES:
            return Call((decode_bytes(job.payload),), {})
        return self.signature.decode(job.payload)


class Registry:
    """All handlers of one app."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self.limited = False
        """Whether any task names a limit."""
        self._limits: dict[str, frozenset[str]] = {}
        """By queue, as far as it was asked for."""

    def copy(self) -> "Registry":
        """The same handlers, by which this one is not changed any more."""
        copied = Registry()
        for handler in self.all():
            copied.add(handler)
        return copied

    def add(self, handler: Handler) -> None:
        """Register, or AlreadyRegistered."""
        first = self._handlers.get(handler.name)
        if first is not None:
            raise AlreadyRegistered(handler.name, first.origin, handler.origin)
        self._handlers[handler.name] = handler
        self.limited = self.limited or bool(handler.limits)
        self.forget_limits()

    def get(self, name: str) -> Handler | None:
        """The handler of this task, if this program has one."""
        return self._handlers.get(name)

    def all(self) -> Sequence[Handler]:
        """Every handler, in order of registration."""
        return list(self._handlers.values())

    def queues(self) -> Sequence[str]:
        """Every queue that a task names, in order, once."""
        return list(dict.fromkeys(handler.queue for handler in self._handlers.values()))

    def forget_limits(self) -> None:
        """Tasks came, or go to other queues than before."""
        self._limits = {}

    def limits_of(self, queue: str) -> frozenset[str]:
        """The limits that every task of this queue names."""
        if queue not in self._limits:
            named = [frozenset(handler.limits) for handler in self._handlers.values() if handler.queue == queue]
            self._limits[queue] = frozenset.intersection(*named) if named else frozenset()
        return self._limits[queue]


def policy_for(
    job: Job, handler: Handler | None, by_queue: Mapping[str, RetryPolicy], default: RetryPolicy
) -> RetryPolicy:
    """The job's own policy, else its task's, else its queue's, else the default; the job's own number of attempts."""
    of_task = handler.retry if handler is not None else None
    policy = job.options.retry or of_task or by_queue.get(job.queue) or default
    most = job.options.max_attempts
    return policy if most is None else msgspec.structs.replace(policy, max_attempts=most)


def returns_of(function: Callable[..., object]) -> object:
    """The annotation of what a function returns; ``object`` where it says nothing that can be resolved."""
    try:
        return get_type_hints(function, include_extras=True).get("return", object)
    except Exception:
        return object


def is_async(function: Callable[..., object]) -> bool:
    """Whether calling it gives something to await."""
    return inspect.iscoroutinefunction(function)
