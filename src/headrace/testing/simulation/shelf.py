"""A shelf at the other end of a wire: what journaled storages of simulated processes have in place of a bucket."""

from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from headrace.model.errors import StoreUnreachable
from headrace.model.ownership import Owner
from headrace.storage.contract import Capabilities
from headrace.storage.journal.shelf import Fenced, Head, belongs_to
from headrace.storage.survival import Fate, Survival
from headrace.testing.simulation.processes import Process
from headrace.testing.simulation.storage import Server

T = TypeVar("T")

_WHERE = "the simulated bucket"


class Bucket:
    """What outlives all processes."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.entries: dict[int, bytes] = {}


class SimulatedShelf:
    """One process's door to it; with no process and no wire that of whoever looks on. Implements ``journal.Shelf``."""

    def __init__(self, bucket: Bucket, process: Process | None = None, server: Server | None = None) -> None:
        self._bucket, self._process, self._server = bucket, process, server
        self._owner: Owner | None = None

    @property
    def where(self) -> str:
        return _WHERE if self._process is None else f"{_WHERE}, seen by {self._process.name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("simulated bucket", "one", Survival(acknowledged="in the bucket", machine=Fate.KEPT))

    async def look(self) -> Head | None:
        return await self._ask(self._look())

    async def read(self) -> AsyncIterator[tuple[int, bytes]]:
        for entry in await self._ask(self._read()):
            yield entry

    async def take(self, seen: Head | None, head: Head) -> bool:
        return await self._ask(self._take(seen, head))

    async def write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        await self._ask(self._write(entries, head))

    async def close(self) -> None:
        self._owner = None

    async def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        if self._process is None or self._server is None:
            return await call
        return await self._server.serve(
            self._process, call, None, lambda: StoreUnreachable(self.where, "the answer was lost")
        )

    # --- at the other end --------------------------------------------------------------------------------------------

    async def _look(self) -> Head | None:
        return self._bucket.head

    async def _read(self) -> list[tuple[int, bytes]]:
        return sorted(self._bucket.entries.items())

    async def _take(self, seen: Head | None, head: Head) -> bool:
        if self._bucket.head not in (seen, head):
            return False
        self._bucket.head = head
        self._owner = head.owner
        return True

    async def _write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        there = self._bucket.head
        if there != head and not belongs_to(there, self._owner):
            raise Fenced(self.where)
        kept = self._bucket.entries
        kept.update(entries)
        for number in [number for number in kept if number < head.first]:
            del kept[number]
        self._bucket.head = head
