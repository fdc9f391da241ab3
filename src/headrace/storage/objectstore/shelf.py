"""A journal in SlateDB: the head under one key, each entry under a key of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

import msgspec

from headrace.model.errors import CorruptStore, ForeignStore, StoreError, StoreUnreachable, UnsafeBucket
from headrace.model.ownership import Owner
from headrace.storage.contract import Capabilities
from headrace.storage.journal.shelf import Fenced, Head, belongs_to
from headrace.storage.objectstore import driver
from headrace.storage.objectstore.faults import translated
from headrace.storage.objectstore.place import Place
from headrace.storage.objectstore.reading import HEAD, entry_key, read_entries, read_head

T = TypeVar("T")

_PROBE = b"probe"
_SLOW = 0.3
"""The share of ``patience`` after which it is asked why a write takes so long: what writes tries for ever, and says
nothing meanwhile."""
_encode = msgspec.msgpack.Encoder().encode


class BucketShelf:
    """Implements ``journal.Shelf``."""

    def __init__(self, place: Place, patience: float) -> None:
        self._place = place
        self._patience = patience
        self._store: object = None
        self._writer: driver.Writer | None = None
        self._owner: Owner | None = None
        self._first = 0
        """Entries below this number are gone."""
        self._writing: tuple[Head, asyncio.Future[None]] | None = None
        """A write without an answer, by the head that it writes."""

    @property
    def where(self) -> str:
        return self._place.where

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("objectstore", "one", self._place.survival)

    async def look(self) -> Head | None:
        if self._writer is not None:
            return await self._within(self._soon(read_head(self._writer, self.where)))
        return await self._within(self._soon(self._look()))

    async def read(self) -> AsyncIterator[tuple[int, bytes]]:
        for entry in await self._within(self._read_all()):
            yield entry

    async def take(self, seen: Head | None, head: Head) -> bool:
        return await self._within(self._take(seen, head))

    async def close(self) -> None:
        if self._writing is not None:
            self._writing[1].cancel()
            self._writing = None
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    async def _within(self, doing: Awaitable[T]) -> T:
        """Errors of SlateDB become those that users meet."""
        try:
            return await doing
        except driver.Errors as error:
            if isinstance(error, driver.Closed):
                self._writer = None
            if driver.is_fence(error):
                raise Fenced(self.where) from error
            raise translated(error, self.where) from error
        except TimeoutError as error:
            why = f"it did not answer within {self._patience:g} s"
            raise StoreUnreachable(self.where, f"{why}{self._place.suspicion}") from error

    async def _soon(self, doing: Awaitable[T]) -> T:
        """What is asked for writing is asked for ever, where nobody ends it."""
        async with asyncio.timeout(self._patience):
            return await doing

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _look(self) -> Head | None:
        reader = await self._reader()
        if reader is None:
            return None
        try:
            return await read_head(reader, self.where)
        finally:
            await reader.close()

    async def _read_all(self) -> list[tuple[int, bytes]]:
        if self._writer is not None:
            return await read_entries(self._writer, self.where, self._patience)
        reader = await self._reader()
        if reader is None:
            return []
        try:
            return await read_entries(reader, self.where, self._patience)
        finally:
            await reader.close()

    async def _reader(self) -> driver.Reader | None:
        """None where there is no store yet."""
        self._place.check()
        try:
            return await driver.Reader.open(self._bucket(), self._place.path)
        except driver.Data as error:
            if driver.is_absence(error):
                return None
            raise

    # --- writing -----------------------------------------------------------------------------------------------------

    async def _take(self, seen: Head | None, head: Head) -> bool:
        await self.close()
        self._place.prepare()
        opened: list[driver.Writer] = []
        try:
            opened.append(await self._soon(self._open(brief=True)))
            if not await self._soon(self._place_head(opened[0], seen, head)):
                return False
            await opened[0].tidy()
            opened.append(await self._soon(self._open()))
            await self._soon(self._prove_fence(opened[0], opened[1], head))
            self._writer = opened.pop()
        except driver.Errors as error:
            if driver.is_race(error):
                return False
            raise
        finally:
            await asyncio.gather(*[writer.close() for writer in opened])
        self._first = head.first
        self._owner = head.owner
        return True

    async def _prove_fence(self, before: driver.Writer, after: driver.Writer, head: Head) -> None:
        """A store that lets two write at once would lose what one of them was told is kept. It is left free."""
        try:
            await before.write([(_PROBE, b"")])
        except driver.Closed as error:
            if driver.is_fence(error):
                return
            raise
        await after.write([(HEAD, _encode(msgspec.structs.replace(head, owner=None)))])
        raise UnsafeBucket(self.where)

    async def _place_head(self, writer: driver.Writer, seen: Head | None, head: Head) -> bool:
        """At once: whoever has been fenced looks for it, and opens the store again where it finds its own."""
        there = await read_head(writer, self.where)
        if there is None:
            await self._refuse_strangers(writer)
        if there not in (seen, head):
            return False
        await writer.write([(HEAD, _encode(head))])
        return True

    async def _refuse_strangers(self, writer: driver.Writer) -> None:
        async for key, _ in writer.scan(b"\0", b"\xff"):
            if key != _PROBE:
                raise ForeignStore(self.where, f"it is a SlateDB database of something else, with a key {key[:40]!r}")

    async def write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        if self._writing is None or self._writing[0] != head:
            self._writing = head, asyncio.ensure_future(self._write(entries, head))
        writing = self._writing[1]
        await asyncio.wait({writing}, timeout=_SLOW * self._patience)
        if not writing.done():
            error = await self._why_slow(head)
            if isinstance(error, Fenced):
                await self.close()
            raise error
        self._writing = None
        try:
            await self._within(writing)
        except StoreError:
            self._writer = None  # it says the same for ever
            raise

    async def _why_slow(self, head: Head) -> StoreError:
        """What somebody hears who does not try for ever."""
        why = f"a write has gone on for more than {_SLOW * self._patience:g} s"
        try:
            async with asyncio.timeout(_SLOW * self._patience):
                if self._is_lost(await self._look(), head):
                    return Fenced(self.where)
        except driver.Errors as error:
            told = translated(error, self.where)
            if not isinstance(told, CorruptStore):
                return told
        except TimeoutError:
            why += ", and so does a look"
        return StoreUnreachable(self.where, why)

    async def _write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        writer = await self._owned(head)
        puts = [(entry_key(number), data) for number, data in entries]
        await writer.write(
            [*puts, (HEAD, _encode(head))], [entry_key(number) for number in range(self._first, head.first)]
        )
        self._first = head.first

    async def _owned(self, head: Head) -> driver.Writer:
        """The writer; opened again where that was closed by something else than another owner. Looks first: opening it
        would end whoever has come meanwhile."""
        if self._writer is None:
            if self._is_lost(await self._look(), head):
                raise Fenced(self.where)
            self._writer = await self._open()
        return self._writer

    def _is_lost(self, there: Head | None, head: Head) -> bool:
        """To another owner; what we write ourselves may be there already."""
        return there not in (None, head) and not belongs_to(there, self._owner)

    async def _open(self, *, brief: bool = False) -> driver.Writer:
        return await driver.Writer.open(self._bucket(), self._place.path, brief=brief)

    def _bucket(self) -> object:
        if self._store is None:
            self._store = driver.bucket(self._place.bucket)
        return self._store
