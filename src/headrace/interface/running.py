"""Running jobs: a worker in an asyncio program, in a thread beside a sync one, or as a program of its own."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from types import TracebackType
from typing import Any

from headrace.interface.core import DEFAULT_QUEUE
from headrace.interface.declarations import Declarations
from headrace.interface.portal import refuse_running_loop
from headrace.interface.slots import Queues, check_slots, parse_slots
from headrace.model.presence import introduce
from headrace.runtime.owning import become_owner
from headrace.runtime.registry import Registry
from headrace.runtime.surroundings import Surroundings
from headrace.runtime.worker import Worker
from headrace.system.event_loop import run_to_its_end
from headrace.system.machine import host_name

QUEUES_VARIABLE = "HEADRACE_QUEUES"
_IDLE_WITHIN = 0.0
_LOOK_AT_SIGNALS = 1.0


class Running(Declarations):
    """The running half of an app."""

    @asynccontextmanager
    async def worker(
        self, queues: Queues = None, *, worker_id: str | None = None, end_process: Callable[[int], None] | None = None
    ) -> AsyncIterator[Worker]:
        """A worker in the running loop, from entry to exit: ``async with app.worker({"email": 5}) as worker``.

        ``end_process`` is called with an exit code where a timed-out handler blocks the loop for good and the process
        is yours to end.
        """
        slots = self.slots(queues)
        storage = (await self.here()).storage
        worker_id = worker_id or self.ids.new()
        await become_owner(worker_id, storage, self.settings.lease, self.clock, self.report)
        await self.declare(storage)
        await self.declared_limits.check(storage, list(self.declared_limits.unchecked))
        around = self._around(end_process)
        worker = Worker(worker_id, slots, storage, self.registry, self.settings, around)
        async with worker:
            yield worker

    def slots(self, queues: Queues) -> Mapping[str, int]:
        """How many jobs of each queue a worker of these queues runs at once, checked."""
        if queues is None:
            variable = os.environ.get(QUEUES_VARIABLE)
            if variable:
                return parse_slots(variable, QUEUES_VARIABLE)
            queues = list(self.registry.queues()) or [DEFAULT_QUEUE]
        return check_slots(queues)

    def run(self, queues: Queues = None, *, until_idle: bool = False) -> None:
        """A worker as the program: until SIGTERM or SIGINT, or with ``until_idle`` until nothing is due.

        The first signal stops claiming and lets running jobs finish within the grace; the second hands them back.
        """
        refuse_running_loop("worker")
        slots = self.slots(queues)
        run_to_its_end(self._run(slots, until_idle=until_idle))

    async def _run(self, slots: Mapping[str, int], *, until_idle: bool) -> None:
        stopping = asyncio.Event()
        try:
            async with self.worker(slots) as worker:
                with stop_on_signals(stopping, worker.hurry):
                    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(worker.refusal.unless(stopping.wait()))]
                    if until_idle:
                        waiting.append(asyncio.ensure_future(worker.idle(_IDLE_WITHIN)))
                    ended, going = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for task in going:
                        task.cancel()
                    await worker.stop()
                for task in ended:
                    task.result()
        finally:
            await self._leave_loop()

    async def _leave_loop(self) -> None:
        """The loop is about to end: listeners see what happened in it, within ``patience``; its handle closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.patience):
                await self.bus.flush()
        await self.handles_here_closed()

    def background(self, queues: Queues = None) -> AbstractContextManager[None]:
        """A worker in a thread of its own, for sync programs: ``with app.background({"default": 4})``."""
        refuse_running_loop("worker")
        slots = self.slots(queues)
        return self._in_thread(lambda: self.worker(slots))

    def housekeeping(self) -> "Housekeeping":
        """Rescue, schedules and retention without handlers, beside manual claims, for ``async with`` or ``with``."""
        return Housekeeping(self._keep_house, self._in_thread)

    @asynccontextmanager
    async def _keep_house(self) -> AsyncIterator[Worker]:
        storage, worker_id = (await self.here()).storage, self.ids.new()
        await become_owner(worker_id, storage, self.settings.lease, self.clock, self.report)
        await self.declared_schedules.write(storage)
        worker = Worker(worker_id, {}, storage, Registry(), self.settings, self._around(None))
        async with worker:
            yield worker

    @contextmanager
    def _in_thread(self, make: Callable[[], AbstractAsyncContextManager[Worker]]) -> Iterator[None]:
        started, stopping = threading.Event(), threading.Event()
        failed: list[BaseException] = []

        async def serve() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            wake.append(lambda: loop.call_soon_threadsafe(stop.set))
            try:
                async with make() as worker:
                    started.set()
                    await worker.refusal.unless(stop.wait())
            except BaseException as error:
                failed.append(error)
            finally:
                await self._leave_loop()
                started.set()
                stopping.set()

        wake: list[Callable[[], object]] = []
        self.spawn.host("headrace-background", serve)
        started.wait()
        if failed:
            raise failed[0]
        try:
            yield
        finally:
            with suppress(RuntimeError):  # it failed, and its loop is closed
                wake[0]()
            stopping.wait()
            if failed:
                raise failed[0]

    def _around(self, end_process: Callable[[int], None] | None) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            entropy=self.entropy,
            new_id=self.ids.new,
            spawn=self.spawn,
            bus=self.bus,
            report=self.report,
            introduced=introduce(host_name(), os.getpid(), os.environ),
            middleware=tuple(self.middleware),
            start_hooks=tuple(self.start_hooks),
            stop_hooks=tuple(self.stop_hooks),
            policies=self.queue_policies(),
            without_backoff=self.queues_without_backoff(),
            cooling=self.cooling_queues(),
            company=self.company,
            exit=end_process,
        )


class Housekeeping:
    """Runs while it is entered: on the running loop with ``async with``, in a thread with ``with``."""

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[Worker]],
        in_thread: Callable[[Callable[[], AbstractAsyncContextManager[Worker]]], AbstractContextManager[None]],
    ) -> None:
        self._make, self._in_thread = make, in_thread
        self._here: AbstractAsyncContextManager[Worker] | None = None
        self._there: AbstractContextManager[None] | None = None

    async def __aenter__(self) -> None:
        self._here = self._make()
        await self._here.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here is not None:
            await self._here.__aexit__(kind, error, trace)

    def __enter__(self) -> None:
        refuse_running_loop("housekeeping")
        self._there = self._in_thread(self._make)
        self._there.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._there is not None:
            self._there.__exit__(kind, error, trace)


@contextmanager
def stop_on_signals(stopping: asyncio.Event, hurry: Callable[[], None]) -> Iterator[None]:
    """First SIGTERM or SIGINT: stop; every further one: hurry."""

    def stop() -> None:
        if stopping.is_set():
            hurry()
        stopping.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def keep() -> None:
        """Set our handlers, and look each second whether a handler of the user's replaced them."""
        for number in signals:
            if signal.getsignal(number) is not ours.get(number):
                loop.add_signal_handler(number, stop)
                ours[number] = signal.getsignal(number)
        timer[:] = [loop.call_later(_LOOK_AT_SIGNALS, keep)]

    ours: dict[int, object] = {}
    timer: list[asyncio.TimerHandle] = []
    keep()
    try:
        yield
    finally:
        timer[0].cancel()
        for number in signals:
            loop.remove_signal_handler(number)
