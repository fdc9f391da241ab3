"""From an older schema to this one: whole or not at all, whoever does it, and whatever it is that stops it."""

# ruff: noqa: ASYNC240 - a test's loop has nothing else to do while it looks at a file
import asyncio
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headrace.model import lifecycle
from headrace.model.change import APPLIED, Change, Patch
from headrace.model.errors import SchemaTooOld
from headrace.model.job import Job, Notes, Options, Until
from headrace.model.record import Record
from headrace.model.state import FINAL, State
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Filter, Keep, Span
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.migrating import LATEST
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]
LONG = dict.fromkeys(FINAL, Keep(86_400, 100))

_OPEN = """
import asyncio, sys
from headrace.storage.sqlite import SqliteStorage, store

wait, told = store.Backoff.wait, []

def tell_and_wait(self):
    if not told:
        print("waits", flush=True)
        told.append(True)
    wait(self)

store.Backoff.wait = tell_and_wait

async def main():
    storage = SqliteStorage(sys.argv[1], patience=60.0)
    await storage.open()
    print(await storage.migrate())
    await storage.close()

asyncio.run(main())
"""
_KILLED = """
import asyncio, os, signal, sys
from headrace.storage.sqlite import SqliteStorage, migrating, store

whole, migrate_open = migrating._statements, store.migrate_open
left = int(sys.argv[2])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def statements(text):
    global left
    for statement in whole(text):
        if left == 0:
            die()
        left -= 1
        yield statement

def migrate_and_die(connection):
    migrate_open(connection)
    die()

migrating._statements = statements
store.migrate_open = migrate_and_die
asyncio.run(SqliteStorage(sys.argv[1]).open())
"""


@pytest.fixture
def old(path: Path) -> Path:
    """A store of schema 1."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(Path(__file__).with_name("schema_1.sql").read_text("utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()  # that of the code which wrote the old store, one second on
    clock.advance(1)
    return clock


def _raw(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    """The schema's number, and all rows as the first schema had them."""
    columns = "id, queue, task, state, attempt, generation, worker, retention, key, options, payload, result, history"
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return version, connection.execute(f"SELECT {columns} FROM jobs ORDER BY seq").fetchall()


async def _start(program: str, *arguments: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(  # noqa: TID251 - another process is the subject
        sys.executable,
        "-c",
        program,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
    )


async def _jobs(storage: SqliteStorage) -> dict[str, Job]:
    return {job.task: job for job in (await storage.find(Filter(), limit=100)).jobs}


async def test_every_job_is_there_as_it_was(old: Path, make: Make) -> None:
    before = _raw(old)[1]
    storage = make()
    await storage.open()
    jobs = await _jobs(storage)
    assert {task: job.state for task, job in jobs.items()} == {
        "scheduled": State.SCHEDULED,
        "pending": State.PENDING,
        "running": State.RUNNING,
        "retrying": State.RETRYING,
        "completed": State.COMPLETED,
        "completed_plain": State.COMPLETED,
        "dead": State.DEAD,
        "cancelled": State.CANCELLED,
        "window": State.COMPLETED,
        "abandoned": State.RUNNING,
        "snoozed": State.SCHEDULED,
    }
    assert {job.notes for job in jobs.values()} == {None}
    assert jobs["scheduled"].options == Options(timeout=2.5, headers={"é": "👍"})
    assert jobs["scheduled"].payload == '{"name":"Zoë 👍\\u0000"}'
    assert jobs["completed"].result == '{"a":"é"}'
    assert jobs["retrying"].last_error == "ValueError: näh"
    assert (jobs["window"].key, jobs["window"].until) == ("window", Until.WINDOW)
    assert await storage.records("kv") == [Record("kv", "a", '{"é":2}', 2), Record("kv", "short", "1", 1)]
    assert dict(await storage.leases()) == {"gone": -1.0, "w": 29.0}
    await storage.close()
    assert _raw(old) == (LATEST, before)


async def test_life_goes_on(old: Path, make: Make, clock: ManualClock) -> None:
    storage = make()
    await storage.open()
    stage = Stage(storage, clock)
    jobs = await _jobs(storage)
    noted = Patch(notes=Notes(percent=50.0))
    assert await storage.apply([Change(jobs["running"].id, lifecycle.held(jobs["running"]), noted)]) == [APPLIED]
    assert (await stage.insert(queue="a", key="held")).duplicate
    assert (await stage.insert(queue="f", key="window")).duplicate
    assert (await stage.settle(jobs["running"])).notes == Notes(50.0, None, clock.wall())
    await stage.beat("rescuer")
    assert [job.task for job in await storage.reclaim("rescuer", 10)] == ["abandoned"]
    claimed = await storage.claim("w", [Demand(queue, 10) for queue in ("waits", "b", "h")])
    assert [job.task for job in claimed] == ["pending", "retrying"]
    await storage.record([Entry("1", "minute", "a", clock.wall(), "{}")])
    assert len((await storage.history(Span("minute"), limit=10)).entries) == 1
    clock.advance(4)
    assert await storage.prune(LONG, 100) == 1  # completed, with a retention of 5 s
    await stage.apply(lifecycle.retry(jobs["dead"]))
    (again,) = await stage.claim(queue="d")
    await stage.settle(again)
    clock.advance(50)
    assert await storage.prune(LONG, 100) == 1  # the retention of its old row went with it
    counted = {(job.queue, job.state) for job in (await _jobs(storage)).values()}
    assert set(await storage.count()) == counted
    await storage.close()


async def test_the_schema_is_that_of_a_new_file(old: Path, make: Make, tmp_path: Path) -> None:
    new = SqliteStorage(tmp_path / "new.db")
    for storage in (make(), new):
        await storage.open()
        await storage.close()
    described = []
    for file in (old, tmp_path / "new.db"):
        with closing(sqlite3.connect(file)) as connection:
            query = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
            described.append(
                [(kind, name, " ".join(str(sql).split())) for kind, name, sql in connection.execute(query)]
            )
    assert described[0] == described[1]


async def test_it_is_not_migrated_unasked(old: Path, make: Make) -> None:
    before = old.read_bytes()
    for options in ({"auto_migrate": False}, {"read_only": True}):
        with pytest.raises(SchemaTooOld, match="headrace migrate"):
            await make(**options).open()
    assert old.read_bytes() == before


@pytest.mark.parametrize("statements", [0, 1, 2, 4, 1_000])
async def test_killed_in_the_middle_it_is_as_it_was(old: Path, make: Make, statements: int) -> None:
    """After so many statements; after the last one, with only the commit to come."""
    before = _raw(old)
    process = await _start(_KILLED, old, statements)
    assert await process.wait() == -signal.SIGKILL
    assert _raw(old) == before
    assert before[0] == 1
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert "notes" not in {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}
    storage = make()
    await storage.open()
    assert len(await _jobs(storage)) == len(before[1])
    await storage.close()
    assert _raw(old) == (LATEST, before[1])


async def test_of_many_at_once_one_migrates_and_all_go_on(old: Path, make: Make) -> None:
    before = _raw(old)[1]
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        processes = [await _start(_OPEN, old) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"waits\n"  # all of them stand before the same door
        connection.execute("ROLLBACK")
    storage = make(patience=60.0)
    await storage.open()
    outputs = [(await process.communicate())[0] for process in processes]
    assert [int(output) for output in outputs] == [LATEST] * 3
    assert len(await _jobs(storage)) == len(before)
    await storage.close()
    assert [process.returncode for process in processes] == [0] * 3
    assert _raw(old) == (LATEST, before)
