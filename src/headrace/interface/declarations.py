"""Declarations: tasks, queues, listeners, hooks, middleware. No I/O; callable at import or in a coroutine."""

import re
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

from headrace.interface.config import MOST_CONCURRENCY, check_count
from headrace.interface.core import Core, Queue
from headrace.interface.declared_limits import Declared
from headrace.interface.task import Task
from headrace.interface.template import check_priority
from headrace.model.codec import CheckedSignature, Signature
from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption, RoutingFailed
from headrace.model.names import check_name
from headrace.model.rate import check_burst, parse_rate
from headrace.model.retention import Retention, by_state, check_retention
from headrace.model.retry import RetryPolicy
from headrace.model.routing import Router, as_router
from headrace.runtime.events import EVENTS, Listener
from headrace.runtime.executor import Middleware
from headrace.runtime.registry import Handler, Where, is_async, returns_of
from headrace.runtime.surroundings import Hook

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)
L = TypeVar("L", bound=Listener)
M = TypeVar("M", bound=Middleware)
_UNUSABLE = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)


class Decorate(Protocol):
    """What ``@app.task(...)`` applies."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R, R]: ...


class Declarations(Core):
    """The declaring half of an app."""

    start_hooks: list[Hook]
    stop_hooks: list[Hook]
    middleware: list[Middleware]

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        queue: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        retry_on: type[BaseException] | Sequence[type[BaseException]] = (),
        give_up_on: type[BaseException] | Sequence[type[BaseException]] = (),
        executor: Literal["thread", "process"] | None = None,
        priority: int | None = None,
        retention: Retention | None = None,
        limits: str | Sequence[str] = (),
        sensitive: bool = False,
    ) -> Decorate: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a function a task.

        ``name`` defaults to module.function. ``async def`` runs on the loop, ``def`` in a thread;
        ``executor="process"`` runs either in a process that a timeout really kills. ``timeout`` is per attempt.
        Where ``retry_on`` is given only these exceptions are tried again; ``give_up_on`` never are. ``retention``,
        for all final states or by state, wins over that of the queue. ``limits`` names limits (see ``limit``) of
        which each run takes a permit before it starts. ``sensitive`` hides the arguments in listings.
        """
        if function is not None:
            return self._register(function, {})
        return lambda function: self._register(function, options)

    def _register(
        self, function: Callable[..., Any], options: dict[str, Any], check: Callable[..., object] | None = None
    ) -> Task[Any, Any, Any]:
        name = check_name("task", options.pop("name", None) or _default_name(function))
        route = self.route_for(name, options.pop("queue", None))
        limits = _limits(options.pop("limits", ()))
        timeout, retention, priority = (options.pop(key, None) for key in ("timeout", "retention", "priority"))
        retry = options.pop("retry", None)
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise InvalidOption("retry", retry, "it must be a RetryPolicy")
        handler = Handler(
            name=name,
            function=function,
            signature=Signature(function, name) if check is None else CheckedSignature(function, name, check),
            where=_where(function, options.pop("executor", None)),
            is_async=is_async(function),
            route=route,
            priority=None if priority is None else check_priority(priority),
            timeout=0.0 if timeout is None else seconds(timeout, "timeout"),
            retry=retry,
            retry_on=_exceptions("retry_on", options.pop("retry_on", ())),
            give_up_on=_exceptions("give_up_on", options.pop("give_up_on", ())),
            retention=None if retention is None else check_retention(retention),
            limits=limits,
            sensitive=bool(options.pop("sensitive", False)),
            returns=returns_of(function),
        )
        if options:
            raise InvalidOption(min(options), options[min(options)], "task() has no such option")
        self.registry.add(handler)
        if limits:
            self.declared_limits.unchecked[name] = limits
        return Task(self, function, handler)

    def queue(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        retry: RetryPolicy | None = None,
        backoff: bool = True,
        cooldown: bool = False,
        lease: Duration | None = None,
        priority: int | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Declare a queue, before the tasks that name it.

        ``concurrency`` is the most jobs that run at once over all workers; ``retention`` is how long final jobs are
        kept, for all final states or by state. Both are written if the store has none: an operator's value wins.
        ``backoff=False`` retries without delay, and runs throttled jobs again exactly when the upstream asked for it.
        With ``cooldown`` the whole queue rests for as long when one of its jobs is throttled. ``lease`` is for
        ``claim``.
        """
        self.declared_queues[check_name("queue", name)] = Queue(
            concurrency=None if concurrency is None else check_count("concurrency", concurrency, most=MOST_CONCURRENCY),
            retry=retry,
            backoff=_truth("backoff", backoff),
            cooldown=_truth("cooldown", cooldown),
            lease=None if lease is None else seconds(lease, "lease", least=0.01),
            priority=None if priority is None else check_priority(priority),
            retention=None if retention is None else by_state(check_retention(retention)),
        )

    def add_router(self, router: Router | Mapping[str, str]) -> None:
        """Ask ``router`` for the queue of every task that names none, known to this program or not.

        It takes the name of a task and returns a queue, or None where it has no opinion; a mapping stands for
        ``PrefixRouter(mapping)``. Routers are asked in the order of adding; where none answers, the queue is
        ``default``. Tasks registered before move too.
        """
        before, self.routers = self.routers, self.routers.and_also(as_router(router))
        moving = [handler for handler in self.registry.all() if not handler.route.fixed]
        try:
            routes = [self.route_for(handler.name) for handler in moving]
        except RoutingFailed:
            self.routers = before
            raise
        for handler, route in zip(moving, routes, strict=True):
            handler.route.follow(route)
        self.registry.forget_limits()

    def limit(self, name: str, *, rate: str, burst: int | None = None) -> None:
        """Declare a limit that all workers on the store obey together: ``rate`` permits come back as in ``"10/s"``,
        ``"100/m"``, ``"5000/h"`` or ``"1/250ms"``; at most ``burst`` at once after a rest (default: the number in the
        rate).

        Written if the store has none of this name, or if the declaration is another one than before: until then what
        ``set_limit`` changed stands.
        """
        parsed = parse_rate(rate)
        declared = Declared(parsed, parsed.count if burst is None else check_burst(burst))
        self.declared_limits.add(check_name("limit", name), declared)

    def on(self, event_id: str) -> Callable[[L], L]:
        """Call the decorated function for each event of this id, such as ``queue.job.completed``.

        Listeners run one after another on a thread of the bus; where they fall 10,000 events behind, the oldest are
        dropped.
        """
        if event_id not in EVENTS:
            raise InvalidOption("event", event_id, f"it must be one of {', '.join(sorted(EVENTS))}")

        def register(listener: L) -> L:
            self.bus.on(event_id, listener)
            return listener

        return register

    def on_worker_start(self, hook: H) -> H:
        """Call this before a worker claims its first job: open pools here. Sync or async."""
        self.start_hooks.append(hook)
        return hook

    def on_worker_stop(self, hook: H) -> H:
        """Call this after a worker's last job: close pools here. Sync or async."""
        self.stop_hooks.append(hook)
        return hook

    def add_middleware(self, middleware: M) -> M:
        """Wrap every attempt: ``async def middleware(job, call_next)``. The first added is the outermost."""
        self.middleware.append(middleware)
        return middleware


def _default_name(function: Callable[..., Any]) -> str:
    """Script and worker agree: ``__main__`` is named by its spec or its file's stem."""
    module = function.__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else _UNUSABLE.sub("_", Path(path).stem) if path else "main"
    return f"{module}.{function.__qualname__}".replace(".<locals>", "")


def _where(function: Callable[..., Any], executor: object) -> Where:
    match executor:
        case None:
            return Where.LOOP if is_async(function) else Where.THREAD
        case "process":
            return Where.PROCESS
        case "thread" if not is_async(function):
            return Where.THREAD
        case "thread":
            raise InvalidOption("executor", executor, "an async def runs on the loop; make it a plain def for threads")
        case _:
            raise InvalidOption("executor", executor, 'it must be "thread" or "process"')


def _limits(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else None
    if names is None:
        raise InvalidOption("limits", value, "it must be the name of a limit, or a list of names")
    return tuple(dict.fromkeys(check_name("limit", name) for name in names))


def _truth(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(option, value, "it must be True or False")
    return value


def _exceptions(option: str, value: Any) -> tuple[type[BaseException], ...]:
    types = (value,) if isinstance(value, type) else tuple(value)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidOption(option, kind, "it must name exception types")
    return types
