"""The bad-input table, row 40: what a worker asks of a storage costs the same however many queues there are.

Counted, not timed: steps of SQLite's machine, and calls of Python.
"""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.model.job import NewJob
from headrace.model.state import RUNNING
from headrace.storage import memory, sqlite
from headrace.storage.contract import Demand, Filter
from headrace.storage.memory import MemoryStorage
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.moments import Moment
from headrace.storage.sqlite.transaction import Transaction
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids

pytestmark = pytest.mark.anyio

MANY = 3_000
DEMANDS = [Demand("q", 10)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def fill(storage: Any, clock: ManualClock, others: int) -> None:
    """Twenty jobs of the queue that is asked, five of them running; and of every other queue one that waits, one that
    is due later and one that runs."""
    ids = Ids(clock, seed=1)

    def new(queue: str, delay: float = 0.0) -> NewJob:
        return NewJob(ids.new(), "t", queue, "{}", delay=delay)

    queues = [f"other.{number}" for number in range(others)]
    await storage.insert([new("q") for _ in range(20)])
    await storage.insert([new(queue, delay) for queue in queues for delay in (0.0, 0.0, 60.0)])
    await storage.beat("w", [], 60)
    await storage.claim("w", [Demand("q", 5), *(Demand(queue, 1) for queue in queues)])


async def sqlite_steps(path: Path, others: int) -> dict[str, int]:
    """How many instructions SQLite runs for each operation."""
    clock = ManualClock()
    storage = SqliteStorage(path, clock=clock, durability="normal")
    await storage.open()
    await fill(storage, clock, others)
    await storage.close()
    connection = sqlite3.connect(path, isolation_level=None)
    steps = [0]

    def count() -> None:
        steps[0] += 1

    def cost(run: Callable[[Transaction], object]) -> int:
        steps[0] = 0
        connection.set_progress_handler(count, 1)
        run(Transaction(connection, Moment(clock.wall(), clock.boot(), clock.boot_id())))
        connection.set_progress_handler(None, 0)
        return steps[0]

    try:
        return {
            "look": cost(lambda transaction: sqlite.claiming.nothing_to_claim(transaction, "w", DEMANDS)),
            "claim": cost(lambda transaction: sqlite.claiming.claim(transaction, "w", DEMANDS)),
            "next_due": cost(lambda transaction: sqlite.finding.next_due(transaction, ["q"])),
            "running": cost(lambda transaction: sqlite.finding.find(transaction, Filter(RUNNING, "q"), 10, None)),
        }
    finally:
        connection.close()


async def memory_calls(others: int) -> dict[str, int]:
    """How many functions Python calls for each operation."""
    clock = ManualClock()
    storage = MemoryStorage(clock)
    await storage.open()
    await fill(storage, clock, others)
    store = storage._entered()
    try:
        return {
            "claim": calls(lambda: memory.claiming.claim(store, "w", DEMANDS)),
            "next_due": calls(lambda: memory.finding.next_due(store, ["q"])),
        }
    finally:
        await storage.close()


def calls(run: Callable[[], object]) -> int:
    made = [0]

    def count(frame: object, event: str, argument: object) -> None:
        made[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return made[0]


async def test_on_sqlite(tmp_path: Path) -> None:
    one, many = await sqlite_steps(tmp_path / "one.db", 0), await sqlite_steps(tmp_path / "many.db", MANY)
    assert many == {name: pytest.approx(steps, rel=0.05) for name, steps in one.items()}


async def test_in_memory() -> None:
    assert await memory_calls(MANY) == await memory_calls(0)
