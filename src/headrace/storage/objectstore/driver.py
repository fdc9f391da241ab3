"""SlateDB, as this storage uses it: the only module that knows the package."""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from slatedb import uniffi as slatedb
from slatedb.uniffi._slatedb_uniffi import slatedb as binding

_SETTINGS = {
    # Written when we say so, not by the clock.
    "flush_interval": "null",
    # Only a sign of another owner is to be found there, and a write finds that too.
    "manifest_poll_interval": '"10s"',
    "compactor_options.poll_interval": '"10s"',
    "compactor_options.worker.compactions_poll_interval": '"10s"',
    # As many tables as many small writes make between two looks of the compactor: where there are more, none is added,
    # and logs pile up, 13,000 in 15 s on a disk.
    "l0_max_ssts": "64",
    "l0_max_ssts_per_key": "64",
    "compactor_options.scheduler_options": '{"max_compaction_sources": "64"}',
}
_BRIEF = {
    "compactor_options": "null",
    "garbage_collector_options": "null",
    "l0_max_ssts": "128",
    "l0_max_ssts_per_key": "128",
}
"""Of one that is fenced soon: putting tables in order would only keep the next one waiting."""
_LOGS = 64
"""Whoever opens the store reads all logs that are in no table yet, by two requests: so many go into one."""
_CLOSING = 2.0
"""Seconds that closing may take: without its bucket it never ends. So does putting logs into a table, once fenced."""
_MEMORY = 64 * 1024 * 1024
_PAGE = 64
"""Entries fetched at a time."""
_AHEAD = 4 * 1024 * 1024
"""Bytes of a table read by one request: without that each block of 4 KiB is one."""


def _write(self: "binding._UniffiRustBufferBuilder", value: bytes) -> None:
    with self._reserve(len(value)):
        ctypes.memmove(ctypes.addressof(self.rbuf.data.contents) + self.rbuf.len, value, len(value))


# The binding copies every value byte by byte, in Python: 0.4 microseconds a byte, 100 times what all else takes.
if hasattr(binding, "_UniffiRustBufferBuilder"):
    binding._UniffiRustBufferBuilder.write = _write  # noqa: SLF001

Closed, Data, Unavailable = slatedb.Error.Closed, slatedb.Error.Data, slatedb.Error.Unavailable
Broken = (slatedb.Error.Internal, binding.InternalError)
"""What SlateDB did not expect; the second one is how a panic of its reaches Python."""
Errors = (slatedb.Error, binding.InternalError)


def is_fence(error: Exception) -> bool:
    """Whether another process has opened the store for writing."""
    return isinstance(error, Closed) and error.reason is slatedb.CloseReason.FENCED


def is_race(error: Exception) -> bool:
    """Whether another process opens the store for writing at the same moment."""
    return is_fence(error) or (isinstance(error, Data) and "version already exists" in str(error))


def is_absence(error: Exception) -> bool:
    """Whether there is no database at all."""
    return isinstance(error, Data) and "failed to find latest transactional object" in str(error)


def bucket(url: str) -> slatedb.ObjectStore:
    """Where objects are kept. Reads the environment: keys, region, endpoint."""
    return slatedb.ObjectStore.resolve(url)


class Opened:
    """A database that can be read."""

    def __init__(self, database: "slatedb.Db | slatedb.DbReader") -> None:
        self._database = database

    async def get(self, key: bytes) -> bytes | None:
        found: bytes | None = await self._database.get(key)
        return found

    async def scan(self, start: bytes, end: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        """Keys from ``start`` to below ``end``, in order, with their values."""
        found = await self._database.scan_with_options(
            slatedb.KeyRange(start=start, start_inclusive=True, end=end, end_inclusive=False),
            slatedb.ScanOptions(
                durability_filter=slatedb.DurabilityLevel.MEMORY,
                dirty=False,
                read_ahead_bytes=_AHEAD,
                cache_blocks=False,
                max_fetch_tasks=4,
            ),
        )
        while page := await found.next_batch(_PAGE):
            for row in page:
                yield row.key, row.value


class Writer(Opened):
    """A database opened for writing. Whoever else had it open can write no more."""

    def __init__(self, database: slatedb.Db) -> None:
        super().__init__(database)
        self._logs = _LOGS
        """Written since they went into a table. At first that may be any number: owners that are killed leave theirs,
        and each start would take longer than the one before."""
        self._tidying: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, store: slatedb.ObjectStore, path: str, *, brief: bool = False) -> "Writer":
        """``brief``: to be fenced soon."""
        settings = slatedb.Settings.default()
        for name, value in {**_SETTINGS, **(_BRIEF if brief else {})}.items():
            settings.set(name, value)
        builder = slatedb.DbBuilder(path, store)
        builder.with_settings(settings)
        return cls(await builder.build())

    async def write(self, puts: Sequence[tuple[bytes, bytes]], deletes: Sequence[bytes] = ()) -> None:
        """All of it, durably."""
        batch = slatedb.WriteBatch()
        for key, value in puts:
            batch.put(key, value)
        for key in deletes:
            batch.delete(key)
        handle = await self._database.write(batch)
        await self._database.flush_with_options(slatedb.FlushOptions(flush_type=slatedb.FlushType.WAL))
        await handle.await_durable()
        self._logs += 1
        if self._logs >= _LOGS and (self._tidying is None or self._tidying.done()):
            self._logs, self._tidying = 0, asyncio.ensure_future(self._tidy())

    async def tidy(self) -> None:
        """Puts the logs into a table, so that the next one to open the store need not read them; not where that takes
        long."""
        if self._tidying is None:
            self._tidying = asyncio.ensure_future(self._tidy())
        await asyncio.wait({self._tidying}, timeout=_CLOSING)

    async def _tidy(self) -> None:
        """Beside the writes. What goes wrong here goes wrong with them too, and they tell."""
        with suppress(*Errors):
            await self._database.flush_with_options(slatedb.FlushOptions(flush_type=slatedb.FlushType.MEM_TABLE))

    async def close(self) -> None:
        """What was written is kept whether this gets anywhere or not."""
        with suppress(*Errors, TimeoutError):
            async with asyncio.timeout(_CLOSING):
                if self._tidying is not None:
                    await self._tidying
                await self._database.shutdown()


class Reader(Opened):
    """A database opened for reading: nobody is kept from writing."""

    @classmethod
    async def open(cls, store: slatedb.ObjectStore, path: str) -> "Reader":
        builder = slatedb.DbReaderBuilder(path, store)
        builder.with_reader_mode(slatedb.ReaderMode.FOLLOW_LATEST())
        builder.with_options(
            slatedb.ReaderOptions(
                manifest_poll_interval_ms=10_000,
                checkpoint_lifetime_ms=600_000,
                max_memtable_bytes=_MEMORY,
                skip_wal_replay=False,
                # Ten tries are made below this already. A write is tried for ever: a store that is away for long must
                # not end its owner.
                object_store_max_retries=0,
            )
        )
        return cls(await builder.build())

    async def close(self) -> None:
        with suppress(*Errors, TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._database.shutdown()
