"""Tasks that come with headrace, where an app asks for them: echo, commands, companions."""

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ParamSpec, TypedDict, TypeVar, Unpack

import msgspec

from headrace.interface.config import check_count
from headrace.interface.declarations import Declarations
from headrace.interface.task import Task
from headrace.model.command import (
    Bounds,
    Command,
    CommandResult,
    check_argv,
    check_bounds,
    check_command,
    environment_of,
)
from headrace.model.duration import Duration, seconds
from headrace.model.outcome import Throttled
from headrace.model.retention import Retention
from headrace.model.retry import RetryPolicy
from headrace.runtime.attempt import running
from headrace.runtime.command import run_command
from headrace.runtime.companions import CompanionPools, Companions
from headrace.system.spawn import Order

P = ParamSpec("P")
R = TypeVar("R")

OUTPUT = 262_144
"""Bytes kept of each stream of a command when nothing is said."""
_LAST_WORDS = 4_096
"""Bytes kept of what a companion writes to stderr, for the error that its end causes."""
_MOST_COMPANIONS = 1_000


class TaskOptions(TypedDict, total=False):
    """What ``app.task`` takes and a task that comes with headrace takes as well."""

    queue: str
    retry: RetryPolicy
    retry_on: type[BaseException] | Sequence[type[BaseException]]
    give_up_on: type[BaseException] | Sequence[type[BaseException]]
    priority: int
    retention: Retention
    limits: str | Sequence[str]
    sensitive: bool


class _Echo(msgspec.Struct, frozen=True):
    value: object = None
    sleep: float | str = 0
    fail: str | None = None
    throttle: float | str | None = None

    def __post_init__(self) -> None:
        seconds(self.sleep, "sleep")
        if self.throttle is not None:
            seconds(self.throttle, "throttle")


class Builtins(Declarations):
    """Declarations of tasks that come with headrace."""

    def echo_task(
        self, name: str = "echo", **options: Unpack[TaskOptions]
    ) -> Task[..., object, Coroutine[Any, Any, object]]:
        """A task that returns what it is given, ``enqueue(value)``, to try things out.

        ``sleep`` is how long it takes, ``throttle`` makes it Throttled for so long, at every run, and ``fail`` makes it
        fail with this text. Further options are those of ``task``.
        """

        async def echo(
            value: object = None, sleep: float | str = 0, fail: str | None = None, throttle: float | str | None = None
        ) -> object:
            asked = _Echo(value, sleep, fail, throttle)
            if asked.throttle is not None:
                raise Throttled(asked.throttle)
            await self.clock.sleep(seconds(asked.sleep, "sleep"))
            if asked.fail is not None:
                raise RuntimeError(asked.fail)
            return asked.value

        return self._add(echo, _Echo, name, options)

    def command_task(
        self,
        name: str = "command",
        *,
        root: str | os.PathLike[str],
        environment: Sequence[str] = ("PATH",),
        output: int = OUTPUT,
        timeout: Duration = "10m",
        **options: Unpack[TaskOptions],
    ) -> Task[..., CommandResult, Coroutine[Any, Any, CommandResult]]:
        """A task that runs a program: ``enqueue(argv, cwd=None, env=None, stdin=None)``.

        ``argv`` is a list of the program and its arguments, never read by a shell. ``cwd`` must lie inside ``root``
        once symlinks are resolved, and is ``root`` by default. The program gets the variables named in ``environment``,
        from the worker or from ``env``, and no others. ``stdin`` is text. The result is a ``CommandResult`` with the
        last ``output`` bytes of stdout and of stderr. An exit code other than 0 fails the attempt. When the program has
        ended, or the attempt was cancelled, ran out of time or was handed back, none of its processes is left:
        SIGTERM, then SIGKILL after ``kill_after``. Further options are those of ``task``.
        """
        bounds = check_bounds(os.fspath(root), environment, output)

        async def command(
            argv: list[str], cwd: str | None = None, env: dict[str, str] | None = None, stdin: str | None = None
        ) -> CommandResult:
            asked = Command(argv, cwd, env, stdin)
            return await run_command(self.spawn, bounds, asked, os.environ, self.settings.kill_after)

        def check(*args: Any, **kwargs: Any) -> None:
            check_command(bounds, Command(*args, **kwargs))

        return self._add(command, check, name, options, timeout)

    def pool_task(
        self,
        name: str,
        *,
        argv: Sequence[str],
        size: int = 4,
        root: str | os.PathLike[str] | None = None,
        environment: Sequence[str] = ("PATH",),
        timeout: Duration = "10m",
        **options: Unpack[TaskOptions],
    ) -> Task[..., object, Coroutine[Any, Any, object]]:
        """A task that hands its payload, ``enqueue(payload)``, to a program that stays: a companion.

        Each worker has up to ``size`` of them, started with ``argv`` in the folder ``root`` (the worker's own by
        default) when they are first needed. A companion reads a line of JSON, ``{"id": ..., "payload": ...}``, and
        answers by a line: ``{"id": ..., "status": "ok", "result": ...}``, or with status ``error`` and ``message``, or
        with status ``throttled`` and ``retry_after`` in seconds. One that answers something else, ends, or is not
        waited for any more, because of a cancel or ``timeout``, is killed with all its processes, and replaced.
        Further options are those of ``task``.
        """
        bounds = check_bounds("/" if root is None else os.fspath(root), environment, _LAST_WORDS)
        words, most = tuple(check_argv(argv)), check_count("size", size, most=_MOST_COMPANIONS)

        def make() -> Companions:
            order = self._order_of(words, bounds, os.getcwd() if root is None else bounds.root)
            return Companions(self.spawn, order, most)

        pools = CompanionPools(make)

        async def ask(payload: object = None) -> object:
            attempt = running.get(None)
            if attempt is None:  # a plain call: there is no worker whose stop would end the companion
                return await pools.ask_once(self.ids.new(), payload)
            return await pools.ask(attempt.job.id, payload)

        task = self._add(ask, None, name, options, timeout)
        self.stop_hooks.insert(0, pools.close_here)
        return task

    def _order_of(self, argv: Sequence[str], bounds: Bounds, root: str) -> Order:
        environment = environment_of(bounds, Command(argv), os.environ)
        return Order(argv, root, ".", environment, self.settings.kill_after, bounds.output)

    def _add(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        check: Callable[..., object] | None,
        name: str,
        options: Mapping[str, Any],
        timeout: Duration | None = None,
    ) -> Task[P, R, Coroutine[Any, Any, R]]:
        return self._register(function, {"name": name, "timeout": timeout, **options}, check)
