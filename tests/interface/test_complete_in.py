"""Completing a job inside a transaction of its handler's own: real workers, each kind of session of callers.py."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callers import KINDS, Caller, Kind, prepare
from headrace import Headrace, Job, RetryPolicy, Snooze, State, current
from headrace.model.errors import (
    AlreadyCompleted,
    LeaseLost,
)
from headrace.runtime import events
from headrace.runtime.attempt import Stop, running
from headrace.runtime.readback import RaisedAfterCommit

pytestmark = pytest.mark.anyio

Make = Callable[..., Headrace]
ONCE = RetryPolicy.none()
SOON = RetryPolicy.fixed(max_attempts=3, delay=0.01, jitter=0)


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def store_url(kind: Kind, request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if kind.backend == "postgres":
        return request.getfixturevalue("fresh_postgres")
    return f"sqlite:///{tmp_path / 'jobs.db'}"


class Scene:
    """An app, a worker of it, and all that is reported and heard."""

    def __init__(self, app: Headrace, kind: Kind) -> None:
        self.app, self.kind = app, kind
        self.reports: list[BaseException] = []
        self.heard: list[str] = []
        app.report = lambda _, error: self.reports.append(error)
        for event_id in (events.COMPLETED, events.FAILED, events.RETRYING, events.QUEUED):
            app.on(event_id)(lambda event: self.heard.append(f"{event.task} {event.id.rpartition('.')[2]}"))

    async def run(self, handler: Callable[..., Any], policy: RetryPolicy = ONCE, **options: Any) -> Job:
        """The one job of this handler, once it is final."""
        task = self.app.task(name="task", retry=policy, **options)(handler)
        async with self.app.worker(["default"]):
            job = await self.app.ajoin(await task.aenqueue(), timeout=20)
        await self.app.bus.flush()
        return job

    def reported(self, kind: type[BaseException]) -> list[BaseException]:
        return [error for error in self.reports if isinstance(error, kind)]

    async def mine(self) -> list[str]:
        """The rows of the handler's own that were committed."""
        async with self.kind.open(self.app.config.url) as caller:
            rows = await caller.rows()
            await caller.rollback()
            return rows

    def within(self, work: Callable[[Caller], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
        """A handler that does this with a session of its own."""

        async def handler() -> Any:
            async with self.kind.open(self.app.config.url) as caller:
                return await work(caller)

        return handler


async def complete(kind: Kind, caller: Caller, result: object = None) -> None:
    """As its kind of session is used."""
    if kind.is_async:
        await current().acomplete_in(caller.session, result)
    else:
        current().complete_in(caller.session, result)


@pytest.fixture
async def scene(kind: Kind, store_url: str, make: Make) -> Scene:
    app = make(store_url)
    await prepare(app, kind)
    return Scene(app, kind)


# --- what becomes of the job ------------------------------------------------------------------------------------------


async def test_committed_it_is_completed_with_all_that_was_written(scene: Scene, kind: Kind) -> None:
    follow = scene.app.task(name="follow", queue="later")(lambda: None)
    states: list[Any] = []

    async def work(caller: Caller) -> int:
        await caller.write("one")
        current().then(follow.call(), kv={"done": True})
        current().progress(70, "nearly")
        await complete(kind, caller, {"a": 1})
        states.append((await scene.app.ajob(current().job)).state)
        await caller.commit()
        states.append((await scene.app.ajob(current().job)).state)
        return 7

    job = await scene.run(scene.within(work))
    assert states == [State.RUNNING, State.COMPLETED]
    assert (job.state, job.result, job.attempt) == (State.COMPLETED, '{"a":1}', 1)
    assert job.notes is not None
    assert (job.notes.percent, job.notes.message) == (70, "nearly")
    assert await scene.mine() == ["one"]
    assert await scene.app.akv_get("done") is True
    assert (await scene.app.acounts())["later"] == {State.PENDING: 1}
    assert sorted(scene.heard) == ["follow queued", "task completed", "task queued"]
    assert scene.reports == []


async def test_rolled_back_and_returned_is_a_failed_attempt(scene: Scene, kind: Kind) -> None:
    follow = scene.app.task(name="follow", queue="later")(lambda: None)

    async def work(caller: Caller) -> None:
        await caller.write("one")
        current().then(follow.call())
        current().log.info("told")
        await complete(kind, caller)
        await caller.rollback()

    job = await scene.run(scene.within(work))
    assert (job.state, job.reason) == (State.DEAD, "exhausted")
    assert [record.outcome for record in job.history] == ["rolled_back"]
    assert job.last_error is not None
    assert job.last_error.startswith("RolledBack: the handler returned, but the transaction")
    assert job.notes is not None
    assert [line.text for line in job.notes.lines] == ["told"]
    assert await scene.mine() == []
    assert "later" not in await scene.app.acounts()


async def test_it_is_retried_as_any_failure(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write(f"run {current().attempt}")
        await complete(kind, caller)
        await (caller.rollback() if current().attempt < 3 else caller.commit())

    job = await scene.run(scene.within(work), SOON)
    assert (job.state, job.attempt) == (State.COMPLETED, 3)
    assert [record.outcome for record in job.history] == ["rolled_back", "rolled_back"]
    assert await scene.mine() == ["run 3"]
    assert [one for one in scene.heard if "queued" not in one] == [
        *("task failed", "task retrying") * 2,
        "task completed",
    ]


async def test_what_waits_for_its_retry_says_why(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)

    task = scene.app.task(name="task", retry=RetryPolicy.fixed(3, "1h", jitter=0))(scene.within(work))
    receipt = await task.aenqueue()
    async with scene.app.worker(["default"]) as worker:
        await worker.idle()
    job = await scene.app.ajob(receipt)
    assert job is not None
    assert (job.state, job.reason) == (State.RETRYING, "rolled_back")
    assert "Attempt 1 of 3 failed (RolledBack: " in (await scene.app.awhy(receipt)).sentence


async def test_an_error_before_the_commit_is_that_error(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        raise ValueError("no")

    job = await scene.run(scene.within(work))
    assert (job.state, job.reason, job.last_error) == (State.DEAD, "exhausted", "ValueError: no")
    assert await scene.mine() == []


async def test_an_error_after_the_commit_changes_nothing_and_is_reported(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        await caller.commit()
        raise ValueError("too late")

    job = await scene.run(scene.within(work))
    assert (job.state, job.attempt, list(job.history)) == (State.COMPLETED, 1, [])
    assert [one for one in scene.heard if "queued" not in one] == ["task completed"]
    (error,) = scene.reported(RaisedAfterCommit)
    assert "and then failed: ValueError: too late" in str(error)


async def test_a_snooze_before_the_commit_is_one_and_after_it_is_too_late(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        if any(record.outcome == "snoozed" for record in current().job.history):
            await caller.commit()
        raise Snooze(0.01)

    job = await scene.run(scene.within(work))
    assert (job.state, [record.outcome for record in job.history]) == (State.COMPLETED, ["snoozed"])
    assert await scene.mine() == ["one"]
    assert "asked to run again (snoozed), which it does not" in str(scene.reported(RaisedAfterCommit)[0])


async def test_a_transaction_that_is_tried_again(scene: Scene, kind: Kind) -> None:
    follow = scene.app.task(name="follow", queue="later")(lambda: None)

    async def work(caller: Caller) -> None:
        current().then(follow.call())
        for run in range(3):
            current().log.info(f"run {run}")
            await caller.write(f"run {run}")
            await complete(kind, caller, run)
            if run < 2:
                await caller.rollback()
        await caller.commit()

    job = await scene.run(scene.within(work))
    assert (job.state, job.result) == (State.COMPLETED, "2")
    assert job.notes is not None
    assert [line.text for line in job.notes.lines] == ["run 0", "run 1", "run 2"]
    assert await scene.mine() == ["run 2"]
    assert (await scene.app.acounts())["later"] == {State.PENDING: 1}


async def test_completing_twice_in_one_transaction_is_an_error(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller, 1)
        with pytest.raises(AlreadyCompleted, match="what comes with its completion is said before complete_in"):
            current().then(kv={"a": 1})
        with pytest.raises(AlreadyCompleted, match="only once that is rolled back"):
            await complete(kind, caller, 2)
        await caller.commit()
        await caller.write("two")
        with pytest.raises(AlreadyCompleted):
            await complete(kind, caller, 3)
        await caller.rollback()

    job = await scene.run(scene.within(work))
    assert (job.state, job.result) == (State.COMPLETED, "1")
    assert scene.reports == []


async def test_a_job_that_was_lost_completes_nothing(scene: Scene, kind: Kind) -> None:
    errors: list[BaseException] = []
    began, lost = asyncio.Event(), asyncio.Event()

    async def work(caller: Caller) -> None:
        if current().fence > 1:
            return
        began.set()
        await lost.wait()
        await caller.write("one")
        try:
            await complete(kind, caller)
        except LeaseLost as error:
            errors.append(error)
            await caller.rollback()
            raise

    task = scene.app.task(name="task")(scene.within(work))
    receipt = await task.aenqueue()
    async with scene.app.worker(["default"]) as worker:
        await began.wait()
        storage = (await scene.app.here()).storage
        await storage.beat(worker.id, (), 0)
        await storage.beat("other", (), 30)
        (taken,) = await storage.reclaim("other", 1)
        lost.set()
        while not scene.reported(LeaseLost):
            await storage.count()
        assert (await scene.app.ajob(receipt)) == taken
    assert len(errors) == 1
    assert await scene.mine() == []


async def test_a_handler_that_goes_on_after_its_commit_is_left_alone(scene: Scene, kind: Kind, store_url: str) -> None:
    app = scene.app
    app.settings = app.settings.__class__(**{**_fields(app.settings), "lease": 0.6, "beat": 0.1, "poll": 0.05})

    async def work(caller: Caller) -> str:
        await caller.write("one")
        await complete(kind, caller, "done")
        await caller.commit()
        storage = (await app.here()).storage
        worker = current().job.worker
        beats = [lease for lease in [await storage.leases()] if worker in lease]
        assert beats
        listener = storage.listen(["queue:nothing"])
        await listener.wait(0.5)  # five beats, none of which finds the job
        listener.close()
        await caller.write("two")
        await caller.commit()
        return "not kept"

    job = await scene.run(scene.within(work))
    assert (job.state, job.result) == (State.COMPLETED, '"done"')
    assert await scene.mine() == ["one", "two"]
    assert scene.reports == []


def _fields(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


async def run_out_of_time() -> None:
    """As the handler's timer would: at this very moment, however slow the machine is."""
    running.get().stop_for(Stop.TIMEOUT)
    await asyncio.Event().wait()


async def test_time_that_runs_out_after_the_commit(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        await caller.commit()
        await run_out_of_time()

    job = await scene.run(scene.within(work), timeout=60)
    assert (job.state, list(job.history)) == (State.COMPLETED, [])
    assert "and then failed: Timeout" in str(scene.reported(RaisedAfterCommit)[0])


async def test_time_that_runs_out_before_it(scene: Scene, kind: Kind) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        await run_out_of_time()

    job = await scene.run(scene.within(work), timeout=60)
    assert (job.state, [record.outcome for record in job.history]) == (State.DEAD, ["timeout"])
    assert await scene.mine() == []


async def test_a_worker_that_stops_reads_back_first(scene: Scene, kind: Kind) -> None:
    committed, waiting = asyncio.Event(), asyncio.Event()
    commits = iter([True, False])

    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        if next(commits):
            await caller.commit()
            committed.set()
        else:
            await caller.rollback()
            waiting.set()
        await asyncio.Event().wait()

    task = scene.app.task(name="task")(scene.within(work))
    receipts = []
    async with scene.app.worker({"default": 1}) as worker:
        for event in (committed, waiting):
            if receipts:
                await worker.stop(0)
                break
            receipts.append(await task.aenqueue())
            await event.wait()
    job = await scene.app.ajob(receipts[0])
    assert job is not None
    assert job.state is State.COMPLETED
    receipts.append(await task.aenqueue())
    async with scene.app.worker({"default": 1}) as worker:
        await waiting.wait()
        await worker.stop(0)
    job = await scene.app.ajob(receipts[1])
    assert job is not None
    assert (job.state, job.reason, job.attempt) == (State.PENDING, "interrupted", 0)
    assert scene.reports == []


async def test_it_is_counted_as_any_other(scene: Scene, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(caller: Caller) -> None:
        await caller.write("one")
        await complete(kind, caller)
        await (caller.commit() if current().attempt > 1 else caller.rollback())

    task = scene.app.task(name="task", retry=SOON)(scene.within(work))
    async with scene.app.worker(["default"]) as worker:
        takes, take = [], worker._tally.take
        monkeypatch.setattr(worker._tally, "take", lambda: takes.append(take()) or takes[-1])  # the roller takes too
        await scene.app.ajoin(await task.aenqueue(), timeout=20)
        await worker.idle()
        worker._tally.take()
    counts = [activity.tasks["task"] for taken in takes for activity in taken.values() if "task" in activity.tasks]
    told = [(count.started, count.completed, count.failed, count.retried) for count in counts]
    assert [sum(numbers) for numbers in zip(*told, strict=True)] == [2, 1, 1, 1]
