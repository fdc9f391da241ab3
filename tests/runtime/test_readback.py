"""Completions in transactions of handlers' own, where the store is slow to answer, silent, or answers late."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import process_tasks
import pytest

from headrace import Headrace, Job, RetryPolicy, State, current
from headrace.interface.handles import Handles
from headrace.model.errors import AttemptEnded, InvalidOption, StoreUnreachable, UseAsync
from headrace.runtime import events
from headrace.runtime.attempt import Current
from headrace.runtime.readback import RaisedAfterCommit
from headrace.storage.contract import AsyncEnlisted, Enlisted
from headrace.storage.sqlite import SqliteStorage
from headrace.system.threads import start_thread
from headrace.testing.failing import FailingStorage, Fault, Faults

pytestmark = pytest.mark.anyio
ONCE = RetryPolicy.none()
SILENT = Fault(lambda: StoreUnreachable("the store", "no answer"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Meddled(FailingStorage):
    """A store in SQLite, some of whose calls fail; ``after_get`` is called with every answer that ``get`` has."""

    after_get: Callable[[Sequence[Job | None]], None] | None = None

    def within(self, session: object) -> Enlisted | AsyncEnlisted:
        assert isinstance(self._inner, SqliteStorage)
        return self._inner.within(session)

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        rows = await super().get(ids)
        if self.after_get is not None:
            self.after_get(rows)
        return rows


class Scene:
    """An app on such a store, and all that is reported and heard."""

    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, Faults()
        self.app = Headrace(f"sqlite:///{path}", poll=0.02, patience=0.2)
        self.app.handles = Handles(self._make, self.app.declare)
        self.reports: list[BaseException] = []
        self.on_report: Callable[[], None] | None = None
        self.app.report = self._report
        self.heard: list[str] = []
        for event_id in (events.COMPLETED, events.FAILED):
            self.app.on(event_id)(lambda event: self.heard.append(event.id.rpartition(".")[2]))

    def _make(self) -> Meddled:
        return Meddled(SqliteStorage(self.path, patience=0.2), self.faults)

    def _report(self, _: str, error: BaseException) -> None:
        self.reports.append(error)
        if self.on_report is not None:
            self.on_report()

    async def storage(self) -> Meddled:
        storage = (await self.app.here()).storage
        assert isinstance(storage, Meddled)
        return storage

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=5, check_same_thread=False)

    async def run(self, handler: Callable[..., Any], **options: Any) -> Job:
        task = self.app.task(name="task", **{"retry": ONCE, **options})(handler)
        async with self.app.worker(["default"]) as worker:
            receipt = await task.aenqueue()
            await worker.idle()
            self.activity = worker._tally.take()
        await self.app.bus.flush()
        job = await self.app.ajob(receipt)
        assert job is not None
        return job

    def reported(self, kind: type[BaseException]) -> list[BaseException]:
        return [error for error in self.reports if isinstance(error, kind)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "jobs.db")
    await scene.app.here()
    yield scene
    await scene.app.aclose()


# --- kinds of handlers ------------------------------------------------------------------------------------------------


async def test_a_plain_function_in_its_thread(scene: Scene) -> None:
    def work() -> str:
        with closing(scene.connect()) as session, session:
            session.execute("CREATE TABLE mine (text)")
            current().complete_in(session, "done")
        return "not kept"

    job = await scene.run(work)
    assert (job.state, job.result, scene.heard, scene.reports) == (State.COMPLETED, '"done"', ["completed"], [])


async def test_a_plain_function_that_returns_too_late_after_its_commit(scene: Scene) -> None:
    def work() -> None:
        with closing(scene.connect()) as session, session:
            current().complete_in(session)
        while not current().cancelled:
            threading.Event().wait(0.01)

    job = await scene.run(work, timeout=0.1)
    assert (job.state, list(job.history)) == (State.COMPLETED, [])
    assert "Timeout" in str(scene.reported(RaisedAfterCommit)[0])


async def test_either_kind_of_session_where_the_handler_waits(scene: Scene) -> None:
    async def work() -> int:
        async with aiosqlite.connect(scene.path) as session:
            with pytest.raises(UseAsync, match=r"its session is async; use: await current\(\)\.acomplete_in\("):
                current().complete_in(session)
        with closing(scene.connect()) as session:
            await current().acomplete_in(session, 5)
            session.commit()
        return 6

    job = await scene.run(work)
    assert (job.state, job.result) == (State.COMPLETED, "5")


async def test_a_middleware_may_commit(scene: Scene) -> None:
    async def commits(job: Job, call_next: Callable[[Job], Any]) -> Any:
        with closing(scene.connect()) as session:
            value = await call_next(job)
            current().complete_in(session, value)
            session.commit()
        return value

    scene.app.add_middleware(commits)

    async def work() -> int:
        return 3

    job = await scene.run(work)
    assert (job.state, job.result) == (State.COMPLETED, "3")


async def test_a_result_that_can_not_be_kept(scene: Scene) -> None:
    async def work() -> None:
        with closing(scene.connect()) as session, session:
            current().complete_in(session, object())

    job = await scene.run(work)
    assert (job.state, job.result) == (State.COMPLETED, None)
    assert job.result_error is not None


async def test_not_in_memory() -> None:
    app = Headrace("memory:", poll=0.02)

    async def work() -> None:
        with pytest.raises(InvalidOption, match="storage memory has no transactions"):
            current().complete_in(object())
        with pytest.raises(InvalidOption, match="storage memory has no transactions"):
            await current().acomplete_in(object())

    task = app.task(name="task", retry=ONCE)(work)
    async with app.worker(["default"]):
        job = await app.ajoin(await task.aenqueue(), timeout=10)
    assert (job.state, job.last_error) == (State.COMPLETED, None)
    await app.aclose()


async def test_not_in_a_process(processes: Headrace) -> None:
    told = await processes.aresult(await process_tasks.completes_early.aenqueue(), timeout=20)
    assert [line.split(" can't")[0] for line in told] == ["current().complete_in", "current().acomplete_in"]
    assert all("return the result, or leave executor= out" in line for line in told)


async def test_what_was_refused_counts_for_nothing(scene: Scene) -> None:
    async def work() -> str:
        with pytest.raises(InvalidOption):
            current().complete_in("nothing of the kind")
        return "as ever"

    job = await scene.run(work)
    assert (job.state, job.result) == (State.COMPLETED, '"as ever"')


async def test_a_thread_that_a_handler_left_behind(scene: Scene) -> None:
    errors: list[BaseException] = []
    completed, ended = threading.Event(), threading.Event()
    scene.app.on(events.COMPLETED)(lambda _: completed.set())

    def late(job: Current) -> None:
        completed.wait(10)
        with closing(scene.connect()) as session:
            try:
                job.complete_in(session)
            except AttemptEnded as error:
                errors.append(error)
        ended.set()

    async def work() -> None:
        start_thread("late", partial(late, current()))

    job = await scene.run(work)
    ended.wait(10)
    assert job.state is State.COMPLETED
    assert len(errors) == 1


# --- the store --------------------------------------------------------------------------------------------------------


async def test_it_asks_until_the_store_answers(scene: Scene) -> None:
    async def work() -> None:
        with closing(scene.connect()) as session, session:
            current().complete_in(session)
        scene.faults.fail_next("get", SILENT, SILENT, SILENT)

    job = await scene.run(work)
    assert job.state is State.COMPLETED
    assert len(scene.reported(StoreUnreachable)) == 3
    assert scene.heard == ["completed"]


async def test_a_commit_that_comes_between_the_look_and_the_failure(scene: Scene) -> None:
    session = scene.connect()

    async def work() -> str:
        storage = await scene.storage()

        def commit(rows: Sequence[Job | None]) -> None:
            if [row.state for row in rows if row is not None] == [State.RUNNING]:
                session.commit()

        storage.after_get = commit
        current().then(kv={"a": 1})
        current().complete_in(session, "late")
        return "late"

    job = await scene.run(work)
    session.close()
    assert (job.state, job.result, list(job.history)) == (State.COMPLETED, '"late"', [])
    assert (scene.heard, scene.reports) == (["completed"], [])
    counts = scene.activity["default"].tasks["task"]
    assert (counts.started, counts.completed, counts.failed) == (1, 1, 0)


async def test_a_transaction_that_is_left_open_keeps_others_waiting(scene: Scene) -> None:
    session = scene.connect()
    session.execute("CREATE TABLE mine (text)")

    async def work() -> None:
        current().complete_in(session)
        scene.on_report = session.rollback

    job = await scene.run(work)
    session.close()
    assert [record.outcome for record in job.history] == ["rolled_back"]
    assert "using(session=...)" in str(scene.reports[0])


async def test_a_job_that_is_gone_was_completed(scene: Scene) -> None:
    async def work() -> None:
        with closing(scene.connect()) as session, session:
            current().complete_in(session)
        storage = await scene.storage()
        await storage.delete([current().job.id])

    task = scene.app.task(name="task", retry=ONCE)(work)
    async with scene.app.worker(["default"]) as worker:
        receipt = await task.aenqueue()
        await worker.idle()
        assert await scene.app.ajob(receipt) is None
    await scene.app.bus.flush()
    assert (scene.heard, scene.reports) == (["completed"], [])


async def test_a_worker_that_gets_no_answer_leaves_it_to_others(scene: Scene) -> None:
    committed = asyncio.Event()

    async def work() -> None:
        with closing(scene.connect()) as session, session:
            current().complete_in(session)
        scene.faults.fail_next("get", *[SILENT] * 1_000)
        committed.set()

    scene.app.settings = type(scene.app.settings)(poll=0.02, patience=0.1)
    task = scene.app.task(name="task", retry=ONCE)(work)
    async with scene.app.worker(["default"]) as worker:
        receipt = await task.aenqueue()
        await committed.wait()
        await worker.stop()
    scene.faults.clear()
    job = await scene.app.ajob(receipt)
    assert job is not None
    assert job.state is State.COMPLETED
    assert scene.heard == []


# --- workers that die -------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, os, sqlite3, sys
from headrace import Headrace, current

path, commits = sys.argv[1], sys.argv[2] == "after"
app = Headrace(f"sqlite:///{path}", lease="1s", reap="100ms", poll="20ms")

@app.task(name="task")
async def task() -> None:
    session = sqlite3.connect(path)
    session.execute("INSERT INTO mine VALUES (?)", (os.getpid(),))
    current().complete_in(session, None)
    if commits:
        session.commit()
    os._exit(9)

async def main() -> None:
    async with app.worker(["default"]):
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_around_the_commit(scene: Scene, when: str) -> None:
    with closing(scene.connect()) as session:
        session.execute("CREATE TABLE mine (pid)")
    receipt = await scene.app.aenqueue("task")
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(scene.path), when)  # noqa: TID251
    assert await program.wait() == 9
    job = await scene.app.ajob(receipt)
    assert job is not None
    assert job.state is (State.COMPLETED if when == "after" else State.RUNNING)
    if when == "before":
        scene.app.settings = type(scene.app.settings)(poll=0.02, reap=0.1)

        @scene.app.task(name="task")
        async def task() -> None:
            with closing(scene.connect()) as session, session:
                session.execute("INSERT INTO mine VALUES ('another')")
                current().complete_in(session)

        async with scene.app.worker(["default"]):
            job = await scene.app.ajoin(receipt, timeout=20)
        assert (job.state, [record.outcome for record in job.history]) == (State.COMPLETED, ["crashed"])
    with closing(scene.connect()) as session:
        assert session.execute("SELECT pid FROM mine").fetchall() == [(program.pid if when == "after" else "another",)]
