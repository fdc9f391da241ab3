"""Simulated processes: what runs in one ends with it, and stands still with it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

from headrace.system.spawn import Hosted, Main
from headrace.testing.clock import VirtualSpawn
from headrace.testing.simulation.loop import STRAND, SimulationLoop, Strand

PROCESS: ContextVar["Process"] = ContextVar("PROCESS")


class Process:
    """One start of one program."""

    def __init__(self, loop: SimulationLoop, name: str, killed: "Callable[[Process], None]") -> None:
        self.name = name
        self._killed = killed
        self.alive = True
        self.held_since: float | None = None
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done once it is gone, however it went."""
        self._loop = loop
        self._strands: list[Strand] = []

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Begin. It ends when this does."""
        task = self.begin("main", main)
        task.add_done_callback(self._gone, context=copy_context())

    def begin(self, name: str, main: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run this in a strand of its own."""
        strand = Strand(f"{self.name}/{name}")
        self._strands.append(strand)
        context = copy_context()
        context.run(STRAND.set, strand)
        context.run(PROCESS.set, self)
        return self._loop.create_task(main, name=strand.name, context=context)

    def _gone(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._loop.failures.append(task.exception() or RuntimeError(self.name))
        self._end()

    def kill(self) -> None:
        """As with kill -9."""
        if self.alive:
            self._killed(self)
            self._end()

    def _end(self) -> None:
        self.alive = False
        for strand in self._strands:
            self._loop.kill(strand)
        if not self.ended.done():
            self.ended.set_result(None)

    def hold(self) -> None:
        """As with SIGSTOP."""
        self.held_since = self._loop.time()
        for strand in self._strands:
            self._loop.hold(strand)

    def go_on(self) -> None:
        """As with SIGCONT."""
        self.held_since = None
        for strand in self._strands:
            self._loop.go_on(strand)

    def block(self, seconds: float) -> None:
        """The handler that calls this keeps its loop from turning for so long; other threads go on."""
        strand = STRAND.get()
        self._loop.hold(strand)
        context = copy_context()
        context.run(STRAND.set, Strand("alarm"))
        self._loop.call_later(seconds, self._unblock, strand, context=context)

    def _unblock(self, strand: Strand) -> None:
        if self.held_since is None:
            self._loop.go_on(strand)


class SimulatedSpawn(VirtualSpawn):
    """Threads of a simulated process are strands of it."""

    def host(self, name: str, main: Main) -> Hosted:
        return _HostedStrand(PROCESS.get().begin(name, main()))


class _HostedStrand:
    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    async def join(self) -> None:
        await asyncio.shield(self._task)
