"""A call on its way to a thread, and its answer on the way back."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from headrace.storage.sqlite.moments import Moment
from headrace.storage.sqlite.transaction import Transaction

T = TypeVar("T")


class Hears(Protocol):
    """Somebody on one loop who may want to hear of topics."""

    loop: asyncio.AbstractEventLoop

    def wants(self, topics: Iterable[str]) -> bool:
        """Whether any of these is listened to. From any thread."""
        ...

    def hear(self, topics: Iterable[str]) -> None:
        """Wakes who listens. On its loop."""
        ...


class Operation(Generic[T]):
    """One call: what to do, at whose moment, and where the answer goes."""

    __slots__ = ("answer", "error", "future", "idle", "loop", "moment", "nothing", "reads_counts", "rows", "run")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[Transaction], T],
        moment: Callable[[], Moment],
        rows: int = 1,
        *,
        idle: Callable[[Transaction], bool] | None = None,
        nothing: T | None = None,
        reads_counts: bool = False,
    ) -> None:
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.run, self.moment, self.rows = run, moment, rows
        self.idle, self.nothing = idle, nothing
        """Asked before any lock is taken: whether there is nothing to do, and what is answered then."""
        self.reads_counts = reads_counts
        self.answer: Any = None
        self.error: BaseException | None = None

    def serve(self, connection: Callable[[], sqlite3.Connection]) -> None:
        """Runs by itself."""
        self.answer = self.run(Transaction(connection(), self.moment()))

    def settle(self) -> None:
        """Tells the caller. On its loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answer)


AnyOperation = Operation[Any]
"""Whatever it answers: threads don't care."""


class Errand(Operation[T]):
    """What a thread shall do that needs no transaction, nor yet a connection."""

    __slots__ = ("_do",)

    def __init__(self, loop: asyncio.AbstractEventLoop, do: Callable[[], T], moment: Callable[[], Moment]) -> None:
        super().__init__(loop, lambda _: do(), moment)
        self._do = do

    def serve(self, connection: Callable[[], sqlite3.Connection]) -> None:  # noqa: ARG002 - that is the point
        """Runs by itself."""
        self.answer = self._do()


def deliver(operations: Iterable[AnyOperation], hearers: Iterable[Hears], topics: set[str]) -> None:
    """Tells all callers and listeners: one call into each loop, however many they are."""
    by_loop: dict[asyncio.AbstractEventLoop, tuple[list[AnyOperation], list[Hears]]] = {}
    for operation in operations:
        by_loop.setdefault(operation.loop, ([], []))[0].append(operation)
    if topics:
        for hearer in hearers:
            if hearer.wants(topics):
                by_loop.setdefault(hearer.loop, ([], []))[1].append(hearer)
    for loop, (settled, hearing) in by_loop.items():
        try:
            loop.call_soon_threadsafe(_arrive, settled, hearing, topics)
        except RuntimeError:
            continue  # that loop is closed: nobody is left to tell


def _arrive(settled: list[AnyOperation], hearing: list[Hears], topics: set[str]) -> None:
    for operation in settled:
        operation.settle()
    for hearer in hearing:
        hearer.hear(topics)
