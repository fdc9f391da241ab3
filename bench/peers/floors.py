"""The least that any queue must do: the same rows, in the same batches, by the bare database in one thread.

A row is a job with one index over queue, state and due time. A drain takes rows by an update, reads their payloads, and
deletes them: two commits a batch.
"""

import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from typing import Any, Protocol

from bench.peers.catalogue import MEMORY, POSTGRES, SQLITE, Durability
from bench.peers.databases import Server
from bench.peers.setting import fresh_path, payload
from bench.peers.steps import Size

ROW = json.dumps(payload(1), separators=(",", ":"))
COLUMNS = "queue TEXT NOT NULL, payload TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0"
INDEX = "CREATE INDEX waiting ON jobs (queue, state, due, id)"
_ENQUEUES = {"one": (1, 5_000), "callers": (100, 50_000), "bulk": (1_000, 100_000)}
"""The column, how many rows one commit has there, and how many are written in all."""
_DRAINS = {"drain_1": (1, 3_000), "drain_10": (10, 20_000), "drain_100": (100, 50_000), "drain_1000": (1_000, 100_000)}


class Bare(Protocol):
    """One database, as it is."""

    async def open(self) -> None: ...
    async def insert(self, number: int) -> None: ...
    async def take(self, number: int) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True)
class Floor:
    """One of them."""

    name: str
    storage: str
    durability: Durability
    worker: str
    make: Callable[[Server | None], Bare]


def measure(floor: Floor, size: Size, server: Server | None) -> dict[str, Any]:
    """Its figures, as those of a queue."""
    rounds = [asyncio.run(_round(floor, size, server)) for _ in range(size.rounds)]
    described = asdict(floor) | {"durability": floor.durability.name, "package": "", "version": ""}
    del described["make"]
    median = {column: statistics.median(one[column] for one in rounds) for column in rounds[0]}
    return described | {"rounds": rounds, "median": median, "quick": size.share < 1}


async def _round(floor: Floor, size: Size, server: Server | None) -> dict[str, float]:
    return {column: await rate(floor, column, server, size.share) for column in (*_ENQUEUES, *_DRAINS)}


async def rate(floor: Floor, column: str, server: Server | None, share: float = 1.0) -> float:
    """Jobs a second in one column. ``share``: of its usual number of jobs."""
    drains = column in _DRAINS
    batch, usual = (_DRAINS if drains else _ENQUEUES)[column]
    bare, batches = floor.make(server), max(batch, round(usual * share)) // batch
    await bare.open()
    for _ in range(batches if drains else 1):
        await bare.insert(batch)
    step: Callable[[int], Awaitable[None]] = bare.take if drains else bare.insert
    began = time.perf_counter()
    for _ in range(batches):
        await step(batch)
    seconds = time.perf_counter() - began
    await bare.close()
    return batches * batch / seconds


class BareMemory:
    """A dictionary and a heap."""

    async def open(self) -> None:
        self._rows: dict[int, dict[str, Any]] = {}
        self._waiting: list[tuple[float, int]] = []

    async def insert(self, number: int) -> None:
        first = len(self._rows)
        for key in range(first, first + number):
            self._rows[key] = {"queue": "q", "payload": ROW, "state": 0, "due": 0.0}
            heappush(self._waiting, (0.0, key))

    async def take(self, number: int) -> None:
        keys = [heappop(self._waiting)[1] for _ in range(number)]
        for key in keys:
            self._rows[key]["state"] = 1
            json.loads(self._rows[key]["payload"])
        for key in keys:
            del self._rows[key]

    async def close(self) -> None:
        del self._rows, self._waiting


class BareSqlite:
    """The module of the standard library, with a write-ahead log."""

    def __init__(self, synchronous: str) -> None:
        self._synchronous = synchronous

    async def open(self) -> None:
        self._connection = sqlite3.connect(fresh_path("floor.db"), isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", f"PRAGMA synchronous={self._synchronous}"):
            self._connection.execute(statement)
        self._connection.execute(f"CREATE TABLE jobs (id INTEGER PRIMARY KEY, {COLUMNS})")
        self._connection.execute(INDEX)

    async def insert(self, number: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO jobs (queue, payload) VALUES ('q', ?)", [(ROW,)] * number)
        self._connection.execute("COMMIT")

    async def take(self, number: int) -> None:
        rows = self._connection.execute(
            "UPDATE jobs SET state = 1 WHERE id IN (SELECT id FROM jobs WHERE queue = 'q' AND state = 0 AND due <= 1 "
            "ORDER BY due, id LIMIT ?) RETURNING id, payload",
            (number,),
        ).fetchall()
        for _, text in rows:
            json.loads(text)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("DELETE FROM jobs WHERE id = ?", [(key,) for key, _ in rows])
        self._connection.execute("COMMIT")

    async def close(self) -> None:
        self._connection.close()


class BarePostgres:
    """asyncpg, with one connection."""

    def __init__(self, server: Server | None) -> None:
        assert server is not None
        self._server = server

    async def open(self) -> None:
        import asyncpg  # an extra, which the other floors do without

        self._connection = await asyncpg.connect(self._server.fresh())
        await self._connection.execute(f"CREATE TABLE jobs (id BIGSERIAL PRIMARY KEY, {COLUMNS})")
        await self._connection.execute(INDEX)

    async def insert(self, number: int) -> None:
        statement = "INSERT INTO jobs (queue, payload) SELECT 'q', unnest($1::text[])"
        await self._connection.execute(statement, [ROW] * number)

    async def take(self, number: int) -> None:
        rows = await self._connection.fetch(
            "UPDATE jobs SET state = 1 WHERE id IN (SELECT id FROM jobs WHERE queue = 'q' AND state = 0 AND due <= 1 "
            "ORDER BY due, id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id, payload",
            number,
        )
        for row in rows:
            json.loads(row["payload"])
        await self._connection.execute("DELETE FROM jobs WHERE id = ANY($1::bigint[])", [row["id"] for row in rows])

    async def close(self) -> None:
        await self._connection.close()


_LIST: Sequence[Floor] = (
    Floor("floor_memory", MEMORY, Durability.NOTHING, "a dictionary and a heap", lambda _: BareMemory()),
    Floor("floor_normal", SQLITE, Durability.KILL, "sqlite3, synchronous=NORMAL", lambda _: BareSqlite("NORMAL")),
    Floor("floor_full", SQLITE, Durability.POWER, "sqlite3, synchronous=FULL", lambda _: BareSqlite("FULL")),
    Floor("floor_postgres", POSTGRES, Durability.POWER, "asyncpg, one connection", BarePostgres),
)
FLOORS = {floor.name: floor for floor in _LIST}
