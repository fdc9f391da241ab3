"""Every statement that the writer executes fails once, in every way: the call is refused, nothing of it is there, and
done again it does the same as if nothing had been."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from failing_connection import Statements, error
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.errors import StoreFull, StoreUnreachable
from headrace.model.job import Until
from headrace.model.notes import progress
from headrace.model.outcome import Returned
from headrace.model.record import KV, Put
from headrace.model.state import FINAL, State
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Keep
from headrace.storage.sqlite import SqliteStorage, checkpoint, writer
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import FAILED, PLAIN, Stage

pytestmark = pytest.mark.anyio

FSYNC = sqlite3.SQLITE_IOERR | 4 << 8
READ = sqlite3.SQLITE_IOERR | 1 << 8

FAULTS: Mapping[str, tuple[Callable[[], BaseException], bool, type[Exception]]] = {
    "full": (lambda: error(sqlite3.SQLITE_FULL, "database or disk is full"), True, StoreFull),
    "full, rolled back by us": (lambda: error(sqlite3.SQLITE_FULL, "database or disk is full"), False, StoreFull),
    "not synced": (lambda: error(FSYNC, "disk I/O error"), True, StoreUnreachable),
    "not read": (lambda: error(READ, "disk I/O error"), False, StoreUnreachable),
    "bug": (lambda: RuntimeError("unforeseen"), False, RuntimeError),
    "interrupted": (lambda: KeyboardInterrupt(), False, StoreUnreachable),
}
"""What a statement raises, whether the transaction is over then, and what the caller meets."""


class Course:
    """Calls of every kind that writes, in an order in which each has something to do."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.storage = stage, stage.storage
        self.jobs: list[Any] = []
        new = stage.new
        self.first, self.keyed = new(priority=1), new(key="k", until=Until.CLAIMED)
        self.many = [new(delay=delay) for delay in (0, 0, 50, 0)]
        self.beside = [new(puts=(Put(KV, "own", "1"),)), new(key="w", until=Until.WINDOW, window=60)]
        self.following = (new(),)
        entry = Entry(id="e", kind="metric", at=self.stage.clock.wall(), queue="q", value="{}")
        keep = {state: Keep(0, 0) for state in FINAL}
        storage = self.storage
        self.calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("insert", lambda: storage.insert([self.first])),
            ("insert with a key", lambda: storage.insert([self.keyed])),
            ("insert many", lambda: storage.insert(self.many)),
            ("insert with records", lambda: storage.insert(self.beside, [Put(KV, "with", "2")])),
            ("beat", lambda: storage.beat("w", [], 30)),
            ("claim", self.claim),
            ("complete, with what follows", lambda: storage.apply([self.completed()])),
            ("fail, cancel, snooze", lambda: storage.apply(self.changes())),
            ("put", lambda: storage.put([Put(KV, "with", "3", 1), Put(KV, "own", None), Put(KV, "late", "4", ttl=9)])),
            ("record", lambda: storage.record([entry])),
            ("delete", lambda: storage.delete([self.many[2].id])),
            ("beat its last", lambda: storage.beat("w", [], 0)),
            ("beat of a rescuer", lambda: storage.beat("r", [], 30)),
            ("reclaim", lambda: storage.reclaim("r", 10)),
            ("prune", lambda: storage.prune(keep, 100, entries={"metric": 0})),
        ]

    async def claim(self) -> None:
        self.jobs = list(await self.storage.claim("w", [Demand("q", 10)]))

    def completed(self) -> Any:
        change = lifecycle.settle(self.jobs[0], Returned(b"1"), PLAIN, 0.5)
        return replace(change, then=self.following, puts=(Put(KV, "then", "5"),))

    def changes(self) -> list[Any]:
        failed = lifecycle.settle(self.jobs[1], FAILED, PLAIN, 0.5)
        return [failed, lifecycle.drop(self.jobs[2]), lifecycle.note(self.jobs[3], progress(50, "half"))]


@asynccontextmanager
async def course(path: Path) -> AsyncIterator[Course]:
    clock = ManualClock()
    storage = SqliteStorage(path, clock=clock, patience=0.2)
    await storage.open()
    yield Course(Stage(storage, clock))
    await storage.close()


def contents(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    made = Statements()
    monkeypatch.setattr(writer, "connect_writer", made.connect)
    # On a slow machine the second of a rest would fall between two calls, and its statements are no call's.
    monkeypatch.setattr(checkpoint, "_IDLE", 3600.0)
    return made


@pytest.mark.parametrize("kind", FAULTS)
async def test_nothing_is_there_of_a_call_that_failed_anywhere(
    tmp_path: Path, statements: Statements, kind: str
) -> None:
    make, rolls_back, told = FAULTS[kind]
    failed = 0
    async with course(tmp_path / "twin.db") as twin, course(tmp_path / "jobs.db") as tried:
        for (name, call), (_, calm) in zip(tried.calls, twin.calls, strict=True):
            statements.arm(0, None, rolls_back=False)
            await calm()
            expected = contents(tmp_path / "twin.db")
            total, before = statements.count, contents(tmp_path / "jobs.db")
            assert total >= 3, name
            for number in range(1, total + 1):
                statements.arm(number, make, rolls_back=rolls_back)
                with pytest.raises(told):
                    await call()
                assert statements.met
                failed += 1
                assert contents(tmp_path / "jobs.db") == before, f"{name}, statement {number}"
            statements.arm(0, None, rolls_back=False)
            await call()
            assert contents(tmp_path / "jobs.db") == expected, name
    assert failed > 80
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("kind", FAULTS)
async def test_of_calls_that_wait_together_those_that_fail_leave_nothing(
    tmp_path: Path, statements: Statements, kind: str
) -> None:
    """Each is told the truth, whichever statement of their one transaction fails."""
    make, rolls_back, _ = FAULTS[kind]
    told: set[bool] = set()
    async with course(tmp_path / "jobs.db") as tried:
        for number in range(1, 40):
            news = [tried.stage.new(puts=(Put(KV, f"{number}/{place}", "1"),)) for place in range(3)]
            statements.arm(number, make, rolls_back=rolls_back)
            inserts = [tried.storage.insert([new]) for new in news]
            answers = await asyncio.gather(*inserts, return_exceptions=True)
            for new, answer in zip(news, answers, strict=True):
                (found,) = await tried.storage.get([new.id])
                records = await tried.storage.records(KV, names=[put.name for put in new.puts])
                failed = isinstance(answer, BaseException)
                told.add(failed)
                assert failed is (found is None), (number, answer)
                assert failed is (not records)
            if not statements.met:
                break
        statements.arm(0, None, rolls_back=False)
        counts = await tried.storage.count()
        rows = contents(tmp_path / "jobs.db")["jobs"]
        assert counts == {("q", State.PENDING): len(rows)}
    assert told == {True, False}
    assert not statements.met


async def test_a_lock_that_is_had_at_the_second_try_refuses_nothing(tmp_path: Path, statements: Statements) -> None:
    async with course(tmp_path / "jobs.db") as tried:
        statements.arm(1, lambda: error(sqlite3.SQLITE_BUSY, "database is locked"), rolls_back=False)
        await tried.calls[0][1]()
        assert statements.met
