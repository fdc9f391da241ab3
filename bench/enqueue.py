"""How many jobs a second can be enqueued: by one caller, by 100 at once, in bulk; and what bare SQLite does."""

import asyncio
import json
import sqlite3
import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter

from bench.setting import MEMORY, PAYLOAD, SQLITE, Figure, make_app, store, task_of
from headrace import Headrace, Task

_ROUNDS = 5

Work = Callable[[Headrace, Task], Awaitable[int]]
"""Enqueues, and tells how many."""


def measure() -> list[Figure]:
    """Medians of five rounds."""
    figures = [Figure("bulk enqueue, 1,000 a call", MEMORY, _median(MEMORY, bulk), "jobs/s", 200_000)]
    for question, work, target in (
        ("bulk enqueue, 1,000 a call", bulk, 100_000),
        ("enqueue from 100 callers", callers, 40_000),
        ("enqueue from one caller", single, 2_000),
    ):
        figures.append(Figure(question, SQLITE, _median(SQLITE, work), "jobs/s", target))
    figures.append(Figure("floor: executemany of 1,000 rows", SQLITE, _floor(), "rows/s"))
    return figures


def _median(kind: str, work: Work) -> float:
    rates = []
    for _ in range(_ROUNDS):
        with store(kind) as url:
            rates.append(asyncio.run(rate(url, work)))
    return statistics.median(rates)


async def rate(url: str, work: Work) -> float:
    """Jobs a second."""
    app = make_app(url)
    async with app:
        task = task_of(app, "noop")
        await task.aenqueue(**PAYLOAD)
        started = perf_counter()
        count = await work(app, task)
        return count / (perf_counter() - started)


async def bulk(app: Headrace, task: Task) -> int:
    """50,000, in thousands."""
    for _ in range(50):
        await app.aenqueue_many([task.call(**PAYLOAD) for _ in range(1000)])
    return 50_000


async def callers(_: Headrace, task: Task) -> int:
    """20,000, by a hundred at once."""

    async def caller() -> None:
        for _ in range(200):
            await task.aenqueue(**PAYLOAD)

    await asyncio.gather(*(caller() for _ in range(100)))
    return 20_000


async def single(_: Headrace, task: Task) -> int:
    """2,000, one after another."""
    for _ in range(2000):
        await task.aenqueue(**PAYLOAD)
    return 2000


def _floor() -> float:
    """The same rows by the standard library, in one table with one index, in the same batches."""
    text = json.dumps(PAYLOAD)
    with store(SQLITE) as url:
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, queue TEXT, due INTEGER, payload TEXT)")
        connection.execute("CREATE INDEX waiting ON jobs (queue, due, id)")
        started = perf_counter()
        for batch in range(50):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(f"{batch * 1000 + row:036d}", "default", 0, text) for row in range(1000)]
            connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
        rate = 50_000 / (perf_counter() - started)
        connection.close()
    return rate
