"""Inside a transaction on the caller's own connection to the file: what is refused, and what counts."""

# ruff: noqa: ASYNC240 - a test's loop has nothing else to do while it looks at a file
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiosqlite
import django.db
import pytest
import sqlalchemy
from django.core.cache import cache
from django.db import transaction
from sqlalchemy.ext.asyncio import create_async_engine

from callers import django_connection, django_sqlite
from headrace.model import lifecycle
from headrace.model.change import APPLIED, MISSING, STALE, Change
from headrace.model.errors import (
    ForeignStore,
    InvalidOption,
    SchemaTooNew,
    SchemaTooOld,
    StoreBusy,
    StoreUnreachable,
)
from headrace.model.outcome import Returned
from headrace.model.record import Expect, Put
from headrace.model.state import State
from headrace.storage.contract import AsyncEnlisted, Enlisted, Enlisting
from headrace.storage.memory import MemoryStorage
from headrace.storage.sqlite import SqliteStorage, inserting, wal
from headrace.storage.sqlite.checkpoint import Checkpointer
from headrace.storage.sqlite.connecting import connect_writer
from headrace.storage.sqlite.migrating import LATEST
from headrace.storage.sqlite.turn import Turn
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]


@pytest.fixture
def connection(stage: Stage, path: Path) -> Iterator[sqlite3.Connection]:
    """The caller's, to a store that is there."""
    connection = sqlite3.connect(path, timeout=0.1)
    yield connection
    connection.close()


def within(storage: SqliteStorage, session: object) -> Enlisted:
    enlisted = storage.within(session)
    assert isinstance(enlisted, Enlisted)
    return enlisted


async def counted(stage: Stage) -> dict[tuple[str, State], int]:
    """How many jobs there are, after a look whether the counts are those of the rows."""
    counts = {name: number for name, number in (await stage.storage.count()).items() if number}
    jobs = [await stage.job(job_id) for job_id in await stage.ids()]
    assert counts == {name: [(job.queue, job.state) for job in jobs].count(name) for name in counts}
    assert sum(counts.values()) == len(jobs)
    return counts


async def test_this_storage_is_enlisting_and_memory_is_not(storage: SqliteStorage, clock: ManualClock) -> None:
    assert isinstance(storage, Enlisting)
    assert not isinstance(MemoryStorage(clock=clock), Enlisting)


async def test_no_handle_need_be_open(make: Make, stage: Stage, connection: sqlite3.Connection) -> None:
    within(make(), connection).insert([stage.new()])
    connection.commit()
    assert await counted(stage) == {("q", State.PENDING): 1}


# --- insert -----------------------------------------------------------------------------------------------------------


async def test_counts_follow_the_commit(stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection) -> None:
    await stage.enqueue()
    enlisted = within(storage, connection)
    enlisted.insert([stage.new(), stage.new(delay=60), stage.new(queue="p", key="k")])
    assert connection.in_transaction
    assert await counted(stage) == {("q", State.PENDING): 1}
    connection.rollback()
    assert await counted(stage) == {("q", State.PENDING): 1}
    enlisted.insert([stage.new(), stage.new(delay=60), stage.new(queue="p", key="k")])
    connection.commit()
    assert await counted(stage) == {("q", State.PENDING): 2, ("q", State.SCHEDULED): 1, ("p", State.PENDING): 1}


async def test_what_fails_half_way_is_taken_back_alone(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("CREATE TABLE mine (text)")
    connection.execute("INSERT INTO mine VALUES ('one')")
    enlisted = within(storage, connection)
    insert = inserting.insert_jobs

    def fail(*given: Any, **named: Any) -> None:
        insert(*given, **named)
        raise ZeroDivisionError

    with monkeypatch.context() as patching:
        patching.setattr(inserting, "insert_jobs", fail)
        with pytest.raises(ZeroDivisionError):
            enlisted.insert([stage.new(key="k"), stage.new()])
    enlisted.insert([stage.new(key="k")])
    connection.commit()
    assert await counted(stage) == {("q", State.PENDING): 1}
    assert connection.execute("SELECT * FROM mine").fetchall() == [("one",)]


async def test_what_began_with_the_failure_ends_with_it(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patching:
        patching.setattr(inserting, "insert_jobs", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            within(storage, connection).insert([stage.new()])
    assert not connection.in_transaction
    await stage.enqueue()


async def test_a_transaction_that_sqlite_took_back_by_itself(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        within(storage, connection).insert([stage.new(payload='"' + "x" * 4_000 + '"') for _ in range(100)])
    assert not connection.in_transaction
    assert await counted(stage) == {}


async def test_a_connection_of_any_habits(stage: Stage, storage: SqliteStorage, path: Path) -> None:
    sqlite3.register_converter("integer", lambda _: b"not a number")
    sqlite3.register_converter("text", lambda _: b"not a text")
    connection = sqlite3.connect(path, detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES)
    connection.row_factory, connection.text_factory = (lambda *_: None), bytes
    try:
        enlisted = within(storage, connection)
        job = stage.new(key="k", puts=(Put("kv", "a", "1"), Put("kv", "a", "2")))
        enlisted.insert([stage.new(), job, stage.new(delay=5)])
        enlisted.insert([stage.new(puts=(Put("kv", "a", "3"),))])
        assert enlisted.insert([stage.new(key="k")])[0].id == job.id
        assert enlisted.insert([job])[0].id == job.id
        connection.commit()
        assert await counted(stage) == {("q", State.PENDING): 3, ("q", State.SCHEDULED): 1}
        assert [(record.value, record.version) for record in await storage.records("kv")] == [("3", 3)]
        assert connection.text_factory is bytes
        assert connection.execute("SELECT 1").fetchone() is None
    finally:
        connection.close()
        del sqlite3.converters["INTEGER"], sqlite3.converters["TEXT"]


async def test_a_transaction_that_only_read_and_is_behind(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM jobs").fetchone()
    await stage.enqueue()
    with pytest.raises(sqlite3.OperationalError, match="locked"):  # the driver's own: so their retry sees it
        within(storage, connection).insert([stage.new()])
    connection.rollback()
    within(storage, connection).insert([stage.new()])
    connection.commit()
    assert await counted(stage) == {("q", State.PENDING): 2}


async def test_one_that_was_begun_and_has_done_nothing_is_not_behind(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    connection.execute("BEGIN")
    await stage.enqueue()
    within(storage, connection).insert([stage.new(key="k")])
    with pytest.raises(StoreBusy):
        await stage.enqueue()
    connection.commit()
    assert await counted(stage) == {("q", State.PENDING): 2}


# --- apply ------------------------------------------------------------------------------------------------------------


def completion(stage: Stage, job: Any, *, result: bytes | None = None, follow: bool = False) -> Change:
    change = lifecycle.complete(job, Returned(result))
    if not follow:
        return change
    return Change(change.job_id, change.guard, change.patch, (stage.new(key="next"),), (Put("kv", "done", "1"),))


async def test_a_completion_counts_if_and_only_if_it_is_committed(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    job = await stage.running(key="k")
    change = completion(stage, job, result=b"[1]", follow=True)
    enlisted = within(storage, connection)
    assert enlisted.apply([change]) == [APPLIED]
    assert enlisted.apply([change]) == [STALE]
    connection.rollback()
    assert (await stage.job(job.id)).state is State.RUNNING
    assert enlisted.apply([change]) == [APPLIED]
    assert await counted(stage) == {("q", State.RUNNING): 1}
    connection.commit()
    done = await stage.job(job.id)
    assert (done.state, done.result) == (State.COMPLETED, "[1]")
    assert await counted(stage) == {("q", State.COMPLETED): 1, ("q", State.PENDING): 1}
    assert await storage.records("kv") != []
    assert not (await stage.insert(key="k")).duplicate


async def test_a_completion_is_fenced(stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection) -> None:
    job = await stage.abandoned()
    await stage.beat("other")
    await storage.reclaim("other", 1)
    gone = Change("01900000-0000-7000-8000-000000000000", lifecycle.held(job), completion(stage, job).patch)
    assert within(storage, connection).apply([completion(stage, job), gone]) == [STALE, MISSING]
    connection.commit()
    assert (await stage.job(job.id)).state is State.RUNNING


async def test_nobody_takes_over_a_job_whose_completion_waits_for_its_commit(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    job = await stage.abandoned()
    await stage.beat("other")
    assert within(storage, connection).apply([completion(stage, job)]) == [APPLIED]
    with pytest.raises(StoreBusy):
        await storage.reclaim("other", 1)
    connection.commit()
    assert await storage.reclaim("other", 1) == []


async def test_a_put_that_loses_makes_its_change_stale(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection
) -> None:
    await storage.put([Put("kv", "done", "0")])
    job = await stage.running()
    change = Change(
        job.id, lifecycle.held(job), completion(stage, job).patch, (), (Put("kv", "done", "1", Expect.ABSENT),)
    )
    assert within(storage, connection).apply([change]) == [STALE]
    connection.commit()
    assert await counted(stage) == {("q", State.RUNNING): 1}


# --- refused ----------------------------------------------------------------------------------------------------------


async def test_each_statement_by_itself_is_no_transaction(stage: Stage, storage: SqliteStorage, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(InvalidOption, match="in no transaction and commits each statement by itself"):
        storage.within(connection)
    connection.execute("BEGIN")
    within(storage, connection).insert([stage.new()])
    connection.execute("COMMIT")
    connection.close()
    async with aiosqlite.connect(path, isolation_level=None) as session:
        enlisted = storage.within(session)
        assert isinstance(enlisted, AsyncEnlisted)
        with pytest.raises(InvalidOption, match="in no transaction"):
            await enlisted.insert([stage.new()])
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
    with engine.connect() as other, pytest.raises(InvalidOption, match="in no transaction"):
        storage.within(other)
    engine.dispose()
    assert await counted(stage) == {("q", State.PENDING): 1}


async def test_another_file(stage: Stage, storage: SqliteStorage, path: Path) -> None:
    other = path.with_name("other.db")
    for place, told in ((other, str(other)), (":memory:", "a database in memory"), ("", "a database in memory")):
        connection = sqlite3.connect(place)
        with pytest.raises(InvalidOption, match="one transaction can't hold both") as caught:
            storage.within(connection)
        assert told in str(caught.value)
        connection.close()
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    async with engine.connect() as session:
        enlisted = storage.within(session)
        assert isinstance(enlisted, AsyncEnlisted)
        with pytest.raises(InvalidOption, match="one transaction can't hold both"):
            await enlisted.insert([stage.new()])
    await engine.dispose()


async def test_other_names_of_the_file(stage: Stage, storage: SqliteStorage, path: Path) -> None:
    link, hard = path.with_name("link.db"), path.with_name("hard.db")
    link.symlink_to(path)
    for place in (f"file:{path}?mode=rw", f"{path.parent}/../{path.parent.name}/{path.name}", str(link)):
        connection = sqlite3.connect(place, uri=place.startswith("file:"))
        within(storage, connection).insert([stage.new()])
        connection.commit()
        connection.close()
    assert await counted(stage) == {("q", State.PENDING): 3}
    hard.hardlink_to(path)  # it would have a -wal of its own
    connection = sqlite3.connect(hard)
    with pytest.raises(InvalidOption, match="one transaction can't hold both"):
        storage.within(connection)
    connection.close()
    hard.unlink()


async def test_another_driver_or_none(storage: SqliteStorage) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    for session in (None, 1, storage, engine, sqlalchemy.orm.Session, cache):
        with pytest.raises(
            InvalidOption, match="it must be a connection of sqlite3 or aiosqlite, a SQLAlchemy Session"
        ):
            storage.within(session)
    engine.dispose()


async def test_another_schema(stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    with pytest.raises(SchemaTooNew):
        within(storage, connection).insert([stage.new()])
    connection.execute(f"PRAGMA user_version = {LATEST - 1}")
    with pytest.raises(SchemaTooOld, match="headrace migrate"):
        within(storage, connection).insert([stage.new()])
    connection.execute("PRAGMA application_id = 77")
    with pytest.raises(ForeignStore):
        within(storage, connection).insert([stage.new()])
    assert not connection.in_transaction


async def test_a_file_that_is_no_store_yet(make: Make, path: Path, clock: ManualClock) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (text)")
    new = Stage(make(), clock).new()
    for begin in ("SELECT 1", "INSERT INTO mine VALUES ('one')"):
        connection.execute(begin)
        with pytest.raises(SchemaTooOld, match="headrace migrate"):
            within(make(), connection).insert([new])
    connection.commit()
    assert connection.execute("SELECT text FROM mine").fetchall() == [("one",)]
    connection.close()


async def test_a_process_that_lost_its_locks_writes_nothing_more(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "_lost", {str(path)})
    with pytest.raises(StoreUnreachable, match="restart this program"):
        within(storage, connection).insert([stage.new()])
    assert not connection.in_transaction


# --- Django -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def django_alias(path: Path, stage: Stage) -> Iterator[str]:
    """Of Django's own connections, which ``atomic`` and ``django.db.connection`` know."""
    django_connection(django_sqlite(f"sqlite:///{path}")).close()
    connections = django.db.connections
    connections.settings["default"] = connections.configure_settings({"default": django_sqlite(f"sqlite:///{path}")})[
        "default"
    ]
    yield "default"
    django.db.connection.close()
    del connections["default"]


async def test_inside_atomic(stage: Stage, storage: SqliteStorage, django_alias: str) -> None:
    session = django.db.connection

    def insert_and_fail() -> None:
        with transaction.atomic():
            within(storage, session).insert([stage.new(key="k")])
            raise ZeroDivisionError

    with pytest.raises(InvalidOption, match="in no transaction"):
        storage.within(session)
    with transaction.atomic():
        within(storage, session).insert([stage.new()])
        with pytest.raises(ZeroDivisionError):
            insert_and_fail()
        within(storage, django.db.connections[django_alias]).insert([stage.new(key="k")])
        assert await counted(stage) == {}
    assert await counted(stage) == {("q", State.PENDING): 2}
    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    assert await counted(stage) == {("q", State.PENDING): 2}


# --- checkpoints ------------------------------------------------------------------------------------------------------


async def test_no_checkpoint_goes_on_beside_a_transaction_of_the_callers(
    stage: Stage, storage: SqliteStorage, connection: sqlite3.Connection, path: Path
) -> None:
    await stage.enqueue()
    ours = connect_writer(str(path), durable=True)
    checkpointer = Checkpointer(str(path), Turn(None), ManualClock())
    within(storage, connection).insert([stage.new()])
    before = path.stat().st_mtime_ns
    assert not checkpointer._checkpoint(ours, "RESTART")
    assert path.stat().st_mtime_ns == before
    connection.commit()
    assert checkpointer._checkpoint(ours, "RESTART")
    assert path.stat().st_mtime_ns > before
    assert not ours.in_transaction
    ours.close()
