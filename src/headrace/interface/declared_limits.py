"""Limits as an app declares them, and the tasks whose limits were not looked for yet."""

from collections.abc import Collection, Mapping

import msgspec

from headrace.model.errors import UnknownLimit
from headrace.model.rate import Bucket, Rate, change_rate, full
from headrace.model.record import LIMIT, Expect, Put, Record
from headrace.storage.contract import Storage


class Declared(msgspec.Struct, frozen=True):
    """What ``app.limit`` said."""

    rate: Rate
    burst: int

    def __str__(self) -> str:
        return f"{self.rate} burst {self.burst}"


class DeclaredLimits:
    """A declaration is written where the store has none of this name, or one that says something else. What an
    operator changed stands until then."""

    def __init__(self) -> None:
        self._declared: dict[str, Declared] = {}
        self._late: set[str] = set()
        """Declared since the last writing."""
        self.unchecked: dict[str, Collection[str]] = {}
        """The limits of tasks, by their names, that were not looked for in the store."""

    def anew(self) -> "DeclaredLimits":
        """The same declarations, for a store that has none of them."""
        fresh = DeclaredLimits()
        fresh._declared, fresh.unchecked = dict(self._declared), dict(self.unchecked)
        return fresh

    def add(self, name: str, declared: Declared) -> None:
        """Declare one. Written at the storage's first use, or at the next use of limits."""
        self._declared[name] = declared
        self._late.add(name)

    async def write(self, storage: Storage) -> None:
        """All declarations."""
        await self._write(storage, set(self._declared))

    async def write_late(self, storage: Storage) -> None:
        """What was declared after the storage's first use."""
        if self._late:
            await self._write(storage, set(self._late))

    async def check(self, storage: Storage, tasks: Collection[str]) -> None:
        """UnknownLimit where one of these tasks names a limit that nobody declared."""
        await self.write_late(storage)
        named = {limit: task for task in tasks for limit in self.unchecked.get(task, ())}
        found = {record.name for record in await storage.records(LIMIT, names=list(named))} if named else set()
        for limit, task in named.items():
            if limit not in found:
                raise UnknownLimit(limit, task)
        for task in tasks:
            self.unchecked.pop(task, None)

    async def _write(self, storage: Storage, names: set[str]) -> None:
        left = names
        while left:
            found = {record.name: record for record in await storage.records(LIMIT, names=sorted(left))}
            puts = self._puts(found, left, await storage.now())
            done = await storage.put(puts) if puts else ()
            left = {put.name for put, ok in zip(puts, done, strict=True) if not ok}
        self._late -= names

    def _puts(self, found: Mapping[str, Record], names: Collection[str], now: int) -> list[Put]:
        puts: list[Put] = []
        for name in sorted(names):
            declared, record = self._declared[name], found.get(name)
            if record is None:
                bucket, expect = full(declared.rate, declared.burst, str(declared)), Expect.ABSENT
                puts.append(Put(LIMIT, name, msgspec.json.encode(bucket).decode(), expect))
                continue
            there = msgspec.json.decode(record.value, type=Bucket)
            if there.declared != str(declared):
                changed = change_rate(there, declared.rate, declared.burst, now)
                changed = msgspec.structs.replace(changed, declared=str(declared))
                puts.append(Put(LIMIT, name, msgspec.json.encode(changed).decode(), record.version))
        return puts
