"""Enqueueing inside a transaction of the caller's own: each kind of session that tests/callers.py knows."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from callers import KINDS, Caller, Kind, prepare
from headrace import Headrace, State
from headrace.interface.task import Bound
from headrace.model.errors import (
    AppClosed,
    InvalidOption,
    PayloadDiffers,
    SchemaTooOld,
    StoreBusy,
    StoreMoved,
    UseAsync,
)
from headrace.model.mark import Mark, Role
from headrace.runtime import events

pytestmark = pytest.mark.anyio

Make = Callable[..., Headrace]


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def store_url(kind: Kind, request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if kind.backend == "postgres":
        return request.getfixturevalue("fresh_postgres")
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
async def app(kind: Kind, store_url: str, make: Make) -> Headrace:
    app = make(store_url)
    app.task(name="add")(add)
    await prepare(app, kind)
    return app


def add(a: int, b: int = 0) -> int:
    return a + b


def task_of(app: Headrace) -> Any:
    return app.by_name("add", {"a": 1}, {}) and next(
        Bound(app, handler, app.by_name("add", {"a": 1}, {}).template) for handler in app.registry.all()
    )


async def enqueue(app: Headrace, kind: Kind, caller: Caller, a: int = 1, **using: Any) -> Any:
    """As its kind of session is used: sync ones also where a loop is running."""
    if kind.is_async:
        return await app.aenqueue("add", {"a": a}, session=caller.session, **using)
    return app.enqueue("add", {"a": a}, session=caller.session, **using)


async def waiting(app: Headrace) -> list[int]:
    """The first arguments of the jobs that others see, and that they are counted."""
    jobs = await app.ajobs()
    assert await app.apending_count() == len(jobs)
    return sorted(int(job.payload.split(":")[1].rstrip("}")) for job in jobs)


# --- if and only if it is committed -----------------------------------------------------------------------------------


async def test_it_is_there_once_the_caller_has_committed_and_not_before(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        receipt = await enqueue(app, kind, caller)
        assert await app.ajob(receipt) is None
        assert await waiting(app) == []
        await caller.commit()
        job = await app.ajob(receipt)
        assert job is not None
        assert (job.state, job.payload) == (State.PENDING, '{"a":1}')
        assert await waiting(app) == [1]
        assert await caller.rows() == ["one"]
        await caller.rollback()


async def test_a_rollback_leaves_nothing(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        receipt = await enqueue(app, kind, caller, key="k", kv={"seen": 1})
        await caller.rollback()
        assert await caller.rows() == []
        await caller.rollback()
    assert await app.ajob(receipt) is None
    assert await app.akv_get("seen") is None
    assert await waiting(app) == []
    assert not (await app.aenqueue("add", {"a": 2}, key="k")).duplicate


async def test_a_session_that_is_closed_without_a_commit_leaves_nothing(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        await enqueue(app, kind, caller)
    assert await waiting(app) == []


async def test_options_of_the_job_work_as_ever(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        receipt = await enqueue(
            app, kind, caller, queue="mail", priority=7, delay="1h", key="k", for_="2h", headers={"a": "b"}, kv={"n": 1}
        )
        await caller.commit()
    job = await app.ajob(receipt)
    assert job is not None
    assert (job.queue, job.priority, job.state, job.key) == ("mail", 7, State.SCHEDULED, "k")
    assert (job.options.headers, job.due_at - job.enqueued_at) == ({"a": "b"}, 3_600_000)
    assert await app.akv_get("n") == 1
    assert (await app.aenqueue("add", {"a": 1}, queue="mail", key="k")).duplicate


async def test_keys_count_inside_the_transaction(app: Headrace, kind: Kind) -> None:
    there = await app.aenqueue("add", {"a": 1}, key="there")
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        outside = await enqueue(app, kind, caller, key="there", kv={"not": "written"})
        first = await enqueue(app, kind, caller, 2, key="new")
        second = await enqueue(app, kind, caller, 3, key="new")
        assert (outside.id, outside.duplicate, outside.payload_differs) == (there.id, True, False)
        assert (second.id, second.duplicate, second.payload_differs) == (first.id, True, True)
        with pytest.raises(PayloadDiffers):
            await enqueue(app, kind, caller, 4, key="there", strict=True)
        await caller.commit()
    assert await waiting(app) == [1, 2]
    assert await app.akv_get("not") is None


async def test_the_same_id_is_one_job(app: Headrace, kind: Kind) -> None:
    job_id = app.ids.new()
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        for _ in range(2):
            assert (await enqueue(app, kind, caller, id=job_id)).id == job_id
        await caller.commit()
    assert await waiting(app) == [1]


async def test_many_at_once(app: Headrace, kind: Kind) -> None:
    task = task_of(app)
    calls = [task.call(number) for number in range(70)]
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        if kind.is_async:
            receipts = await app.aenqueue_many(calls, session=caller.session)
            assert await app.aenqueue_many([], session=caller.session) == ()
        else:
            receipts = app.enqueue_many(calls, session=caller.session)
            assert app.enqueue_many([], session=caller.session) == ()
        assert await waiting(app) == []
        await caller.commit()
    assert len({receipt.id for receipt in receipts}) == 70
    assert await app.apending_count() == 70


async def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        await enqueue(app, kind, caller, 1)
        await caller.execute("SAVEPOINT mine")
        await caller.write("two")
        await enqueue(app, kind, caller, 2, key="k")
        await caller.execute("ROLLBACK TO mine")
        await enqueue(app, kind, caller, 3, key="k")
        await caller.execute("RELEASE mine")
        await caller.commit()
    assert await waiting(app) == [1, 3]


async def test_an_error_leaves_the_transaction_as_it_was(app: Headrace, kind: Kind) -> None:
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        for wrong in ({"delay": "soon"}, {"key": ""}, {"id": "x"}, {"kv": {"a": float("nan")}}):
            with pytest.raises(Exception, match="can't be"):
                await enqueue(app, kind, caller, **wrong)
        await enqueue(app, kind, caller, 5)
        await caller.commit()
        assert await caller.rows() == ["one"]
        await caller.rollback()
    assert await waiting(app) == [5]
    await refused_once_moved(app, kind)


async def refused_once_moved(app: Headrace, kind: Kind) -> None:
    """A store that was moved takes nothing, and leaves the transaction as it was."""
    await (await app.here()).storage.mark(Mark(Role.SOURCE, "postgresql://there/jobs", "m"))
    async with kind.open(app.config.url) as caller:
        await caller.write("two")
        for using in ({}, {"key": "k"}):
            with pytest.raises(StoreMoved, match="is being moved to postgresql://there/jobs, and takes nothing"):
                await enqueue(app, kind, caller, **using)
        await caller.write("zwei")
        await caller.commit()
        assert await caller.rows() == ["one", "two", "zwei"]
        await caller.rollback()


async def test_a_worker_runs_it(app: Headrace, kind: Kind) -> None:
    async with app.worker(["default"]):
        async with kind.open(app.config.url) as caller:
            await caller.write("one")
            receipt = await enqueue(app, kind, caller, 40, key="k")
            await caller.commit()
        assert await app.aresult(receipt, timeout=10) == 40


async def test_nobody_is_told_that_it_is_queued(app: Headrace, kind: Kind) -> None:
    heard: list[Any] = []
    app.on(events.QUEUED)(heard.append)
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        await enqueue(app, kind, caller)
        await caller.commit()
    await app.aenqueue("add", {"a": 2})
    await app.bus.flush()
    assert len(heard) == 1


async def test_each_way_to_enqueue_takes_it(app: Headrace, kind: Kind) -> None:
    task = task_of(app)
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        using = Bound(app, task.handler, app.by_name("add", {"a": 1}, {"session": caller.session}).template)
        await using.aenqueue(1)
        await app.aenqueue("add", {"a": 2}, session=caller.session)
        await app.aenqueue_many([using.call(3), using.call(4)])
        await app.aenqueue_many([using.call(5), task.call(6)], session=caller.session)
        if not kind.is_async:
            using.enqueue(7)
            app.enqueue_many([using.call(8)])
        assert await waiting(app) == []
        await caller.commit()
    assert await waiting(app) == ([1, 2, 3, 4, 5, 6] if kind.is_async else [1, 2, 3, 4, 5, 6, 7, 8])


async def test_a_sync_call_with_an_async_session_names_what_to_use(app: Headrace, kind: Kind) -> None:
    if not kind.is_async:
        return
    async with kind.open(app.config.url) as caller:
        await caller.write("one")
        task = task_of(app)
        with pytest.raises(UseAsync, match=r"its session is async; use: await aenqueue\("):
            app.enqueue("add", {"a": 1}, session=caller.session)
        with pytest.raises(UseAsync, match=r"its session is async; use: await aenqueue_many\("):
            app.enqueue_many([task.call(1)], session=caller.session)
        await caller.rollback()


async def test_a_sync_program_needs_no_loop(kind: Kind, store_url: str, make: Make) -> None:
    if kind.is_async:
        return
    app = make(store_url)
    app.task(name="add")(add)
    await prepare(app, kind)

    async def enqueue_here() -> None:
        async with kind.open(app.config.url) as caller:
            await caller.write("one")
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            app.enqueue("add", {"a": 9}, session=caller.session)
            await caller.commit()

    await asyncio.get_running_loop().run_in_executor(None, lambda: _without_loop(enqueue_here()))
    assert await waiting(app) == [9]


def _without_loop(coroutine: Any) -> None:
    """Drives a coroutine that never waits, as sync code runs."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


# --- refused ----------------------------------------------------------------------------------------------------------


async def test_calls_that_go_together_have_one_session(make: Make, tmp_path: Any) -> None:
    app = make(f"sqlite:///{tmp_path / 'jobs.db'}")
    task = app.task(name="add")(add)
    await app.here()
    one, other = (sqlite3.connect(tmp_path / "jobs.db") for _ in range(2))
    for calls, session in (
        ([task.using(session=one).call(1), task.call(2)], None),
        ([task.using(session=one).call(1), task.using(session=other).call(2)], None),
        ([task.using(session=one).call(1)], other),
    ):
        with pytest.raises(InvalidOption, match="give session= to enqueue_many"):
            await app.aenqueue_many(calls, session=session)
        with pytest.raises(InvalidOption, match="give session= to enqueue_many"):
            app.enqueue_many(calls, session=session)
    one.close()
    other.close()


async def test_it_is_not_for_jobs_that_come_with_something_else(make: Make) -> None:
    app = make("memory:")
    call = app.task(name="add")(add).using(session=object()).call(1)
    await app.aenqueue("add", {"a": 1})
    claim = (await app.aclaim())[0]
    with pytest.raises(InvalidOption, match="something that has its own commit"):
        await app.aack(claim, then=[call])
    with pytest.raises(InvalidOption, match="something that has its own commit"):
        app.schedule("often", every="1h", job=call)


async def test_a_store_in_memory_has_no_transactions(make: Make) -> None:
    app = make("memory:")
    session = sqlite3.connect(":memory:")
    with pytest.raises(InvalidOption, match="storage memory has no transactions that others could take part in"):
        app.enqueue("add", {"a": 1}, session=session)
    with pytest.raises(InvalidOption, match="storage memory has no transactions"):
        await app.aenqueue("add", {"a": 1}, session=session)
    session.close()


async def test_no_session_is_none(make: Make) -> None:
    app = make("memory:")
    await app.aenqueue("add", {"a": 1}, session=None)
    assert await app.apending_count() == 1


async def test_a_closed_app_enqueues_nothing(make: Make, tmp_path: Any) -> None:
    app = make(f"sqlite:///{tmp_path / 'jobs.db'}")
    await app.aclose()
    session = sqlite3.connect(":memory:")
    with pytest.raises(AppClosed):
        app.enqueue("add", {"a": 1}, session=session)
    session.close()


@pytest.mark.parametrize("session", [1, "jobs.db", object(), sqlite3.connect])
async def test_what_is_no_session(make: Make, tmp_path: Any, session: object) -> None:
    app = make(f"sqlite:///{tmp_path / 'jobs.db'}")
    with pytest.raises(InvalidOption, match="it must be a connection of sqlite3 or aiosqlite"):
        app.enqueue("add", {"a": 1}, session=session)


async def test_a_store_that_is_not_made_yet(make: Make, tmp_path: Any) -> None:
    app = make(f"sqlite:///{tmp_path / 'jobs.db'}")
    session = sqlite3.connect(tmp_path / "jobs.db")
    with pytest.raises(SchemaTooOld, match="run: headrace migrate"):
        app.enqueue("add", {"a": 1}, session=session)
    assert not session.in_transaction
    session.close()


# --- the lock of SQLite -----------------------------------------------------------------------------------------------


async def test_an_ordinary_enqueue_that_waits_for_the_callers_own_lock_names_the_way_out(
    make: Make, tmp_path: Any
) -> None:
    app = make(f"sqlite:///{tmp_path / 'jobs.db'}", patience=0.2)
    await app.aenqueue("add", {"a": 1})
    session = sqlite3.connect(tmp_path / "jobs.db")
    session.execute("CREATE TABLE mine (text)")
    session.execute("INSERT INTO mine VALUES ('one')")
    with pytest.raises(StoreBusy, match=r"a transaction that your own program holds open.*using\(session=\.\.\.\)"):
        await app.aenqueue("add", {"a": 2})
    app.enqueue("add", {"a": 3}, session=session)
    session.commit()
    session.close()
    assert await waiting(app) == [1, 3]
