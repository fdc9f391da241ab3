"""A store at the other end of a wire: each call takes its time, may be refused, lose its answer, or cost a life."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any, Self, TypeVar

from headrace.model.change import Change, Verdict
from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreUnreachable
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.runtime.loop import turn
from headrace.storage.contract import (
    Beat,
    Capabilities,
    Demand,
    Entries,
    Filter,
    Holding,
    Keep,
    Listener,
    Page,
    Receipt,
    Span,
    Storage,
)
from headrace.storage.moving import Row, Rows
from headrace.testing.simulation.loop import STRAND, SimulationLoop, Strand
from headrace.testing.simulation.processes import Process
from headrace.testing.simulation.weather import Fate, Weather
from headrace.testing.simulation.witness import Witness

T = TypeVar("T")

_WHERE = "the simulated store"
_WHY = "the simulation cut the line"


class Server:
    """Where calls arrive: no process of the cluster, and so never killed. A call that was sent is done, even where its
    caller is dead by then."""

    def __init__(self, loop: SimulationLoop, weather: Weather, witness: Witness) -> None:
        self.loop, self.weather, self.witness = loop, weather, witness
        self.calls = 0
        self._context: Context = copy_context()
        self._context.run(STRAND.set, Strand("store"))

    async def serve(
        self,
        process: Process,
        call: Coroutine[Any, Any, T],
        seen: "Callable[[T, bool], None] | None",
        lost: Callable[[], Exception],
    ) -> T:
        """What ``call`` answers, or what befalls it. ``seen`` is told once it is done, and whether its answer will be
        heard."""
        self.calls += 1
        fate = self.weather.fate(self.loop.time())
        delay = self.weather.delay()
        if fate is Fate.DONE and not (delay or self.weather.is_slow):
            done = _complete(call)
            if seen is not None:
                seen(done, True)
            await turn()  # whoever else is ready may come first
            return done
        answer: asyncio.Future[T] = self.loop.create_future()
        if delay:
            self.loop.call_later(delay, self._arrive, process, call, answer, fate, seen, lost, context=self._context)
        else:
            self._arrive(process, call, answer, fate, seen, lost)
        return await answer

    def _later(self, callback: Callable[..., None], *args: object) -> None:
        delay = self.weather.delay()
        if delay:
            self.loop.call_later(delay, callback, *args, context=self._context)
        else:
            self.loop.call_soon(callback, *args, context=self._context)

    def _arrive(
        self,
        process: Process,
        call: Coroutine[Any, Any, T],
        answer: "asyncio.Future[T]",
        fate: Fate,
        seen: "Callable[[T, bool], None] | None",
        lost: Callable[[], Exception],
    ) -> None:
        if fate is Fate.DIES_BEFORE:
            process.kill()
        if fate in (Fate.DIES_BEFORE, Fate.REFUSED):
            call.close()
            self._later(_fail, answer, StoreUnreachable(_WHERE, _WHY))
            return
        try:
            done = _complete(call)
        except Exception as error:
            self._later(_fail, answer, error)
            return
        if seen is not None:
            seen(done, fate is Fate.DONE)
        if fate is Fate.ANSWER_LOST:
            self._later(_fail, answer, lost())
        else:
            self._later(_give, answer, done)
        if fate is Fate.DIES_AFTER:
            process.kill()


def _complete(call: Coroutine[Any, Any, T]) -> T:
    """A storage in memory waits for nothing."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise RuntimeError("a storage in a simulation must not wait")


def _give(answer: "asyncio.Future[T]", done: T) -> None:
    if not answer.done():
        answer.set_result(done)


def _fail(answer: "asyncio.Future[T]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # the caller may be dead: nobody else is to hear of it


def _answer_lost() -> Exception:
    return AnswerLost(_WHERE, _WHY)


class SimulatedStorage:
    """One process's door to it. Implements ``contract.Storage``, whose docstrings apply."""

    def __init__(self, inner: Storage, process: Process, server: Server) -> None:
        self._inner, self._process, self._server = inner, process, server

    async def _call(
        self,
        call: Coroutine[Any, Any, T],
        seen: "Callable[[T, bool], None] | None" = None,
        lost: Callable[[], Exception] = _answer_lost,
    ) -> T:
        return await self._server.serve(self._process, call, seen, lost)

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def migrate(self, *, post: bool = False) -> int:
        return await self._call(self._inner.migrate(post=post))

    def sibling(self) -> Self:
        return type(self)(self._inner.sibling(), self._process, self._server)

    async def now(self) -> int:
        return await self._call(self._inner.now())

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        return await self._call(
            self._inner.insert(jobs, puts), lost=lambda: EnqueueUnknown([job.id for job in jobs], _WHY)
        )

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        return await self._call(self._inner.claim(worker, demands), self._granted(worker, rescued=False))

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        return await self._call(self._inner.reclaim(worker, limit, queues), self._granted(worker, rescued=True))

    def _granted(self, worker: str, *, rescued: bool) -> Callable[[Sequence[Job], bool], None]:
        name, witness = self._process.name, self._server.witness
        return lambda jobs, _: witness.granted(name, worker, jobs, rescued=rescued)

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        name, witness = self._process.name, self._server.witness
        return await self._call(
            self._inner.beat(worker, holding, ttl), lambda _beat, _heard: witness.leased(name, worker, ttl)
        )

    async def leases(self) -> Mapping[str, float]:
        return await self._call(self._inner.leases())

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        name, witness = self._process.name, self._server.witness
        return await self._call(
            self._inner.apply(changes),
            lambda verdicts, heard: witness.applied(name, changes, verdicts, heard=heard),
        )

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        name, witness = self._process.name, self._server.witness
        return await self._call(self._inner.put(puts), lambda done, _: witness.put(name, puts, done))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        return await self._call(self._inner.records(kind, names=names, after=after, limit=limit))

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._call(self._inner.get(ids))

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._call(self._inner.find(where, limit=limit, after=after))

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._call(self._inner.count())

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        return await self._call(self._inner.delete(ids, states))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        return await self._call(self._inner.prune(keep, limit, of_queues=of_queues, entries=entries))

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._call(self._inner.record(entries))

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._call(self._inner.history(where, limit=limit, after=after))

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._call(self._inner.dump(limit=limit, after=after))

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._call(self._inner.load(rows, cursor))

    async def mark(self, mark: Mark | None) -> None:
        await self._call(self._inner.mark(mark))

    async def marked(self) -> Mark | None:
        return await self._call(self._inner.marked())

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._call(self._inner.next_due(queues))

    def listen(self, topics: Collection[str]) -> Listener:
        return _DeafListener(self._inner.listen(topics), self._server)


class JournaledDoor(SimulatedStorage):
    """The same where the wire is behind the storage. What is seen is what the caller was told."""

    async def _call(
        self,
        call: Coroutine[Any, Any, T],
        seen: "Callable[[T, bool], None] | None" = None,
        lost: Callable[[], Exception] = _answer_lost,  # noqa: ARG002 - the storage tells
    ) -> T:
        done = await call
        if seen is not None:
            seen(done, True)
        return done


class _DeafListener:
    """Doesn't hear every notice."""

    def __init__(self, inner: Listener, server: Server) -> None:
        self._inner, self._server = inner, server

    async def wait(self, timeout: float) -> bool:
        loop = self._server.loop
        deadline = loop.time() + timeout
        while True:
            heard = await self._inner.wait(max(0.0, deadline - loop.time()))
            if not heard or not self._server.weather.is_deaf():
                return heard

    def close(self) -> None:
        self._inner.close()
