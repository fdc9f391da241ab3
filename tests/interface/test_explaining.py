"""``why``: what is read of a real store, on memory and on SQLite. The words are tested with the model."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from headrace import Headrace, PermanentFailure, RetryPolicy, Snooze, Throttled
from headrace.model import lifecycle
from headrace.model.change import Change, Patch
from headrace.model.facts import Reason, Why
from headrace.model.job import Job, Notes
from headrace.model.presence import Presence
from headrace.model.rate import Bucket, Rate
from headrace.model.record import LIMIT, QUEUE, WORKER, Put, QueueControl
from headrace.storage.contract import Demand

pytestmark = pytest.mark.anyio

OLD = "01890000-0000-7000-8000-000000000000"
"""An id that was made in 2023."""


async def storage_of(app: Headrace) -> Any:
    return (await app.here()).storage


async def put(app: Headrace, kind: str, name: str, value: object) -> None:
    assert await (await storage_of(app)).put([Put(kind, name, msgspec.json.encode(value).decode())]) == [True]


async def attend(app: Headrace, worker: str = "w", lease: float = 30.0, **presence: Any) -> None:
    """A worker that lives, elsewhere, and tells of itself."""
    defaults: dict[str, Any] = {"label": f"label of {worker}", "host": "box", "pid": 42, "queues": {"default": 4}}
    await (await storage_of(app)).beat(worker, [], lease)
    await put(app, WORKER, worker, Presence(**({"version": "", "tasks": ("t",), "lease": 30.0} | defaults | presence)))


async def claim(app: Headrace, worker: str = "w", limit: int = 1) -> list[Job]:
    return list(await (await storage_of(app)).claim(worker, [Demand("default", limit)]))


async def apply(app: Headrace, *changes: Change | None) -> None:
    for change in changes:
        assert change is not None
        (verdict,) = await (await storage_of(app)).apply([change])
        assert verdict.status == "applied"


async def reasons(app: Headrace, job: Any) -> list[Reason]:
    answer = await app.awhy(job)
    return [answer.reason, *(other.reason for other in answer.then)]


async def test_of_a_job_that_waits_for_its_time(app: Headrace) -> None:
    await attend(app)
    due = datetime.now(UTC) + timedelta(hours=2)  # noqa: TID251 - the user's own instant
    receipt = await app.aenqueue("t", {}, at=due)
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.then, answer.queue, answer.task) == (Reason.NOT_DUE, (), "default", "t")
    assert answer.until == round(due.timestamp() * 1000)
    assert answer.seconds == pytest.approx(7200, abs=30)
    assert (await app.awhy(UUID(receipt.id))).until == answer.until
    await app.aclose()


async def test_of_a_queue_that_is_paused_or_cools_or_is_full(app: Headrace) -> None:
    await attend(app)
    first = await app.aenqueue("t")
    (running,) = await claim(app)
    receipt = await app.aenqueue("t")
    now = await (await storage_of(app)).now()
    await put(app, QUEUE, "default", QueueControl(concurrency=1, paused=True, cools_until=now + 60_000))
    assert await reasons(app, receipt) == [Reason.QUEUE_PAUSED, Reason.QUEUE_COOLS, Reason.CEILING_FULL]
    await put(app, QUEUE, "default", QueueControl(concurrency=1, cools_until=now + 60_000))
    cools = await app.awhy(receipt)
    assert (cools.reason, cools.until) == (Reason.QUEUE_COOLS, now + 60_000)
    await put(app, QUEUE, "default", QueueControl(concurrency=1))
    full = await app.awhy(receipt)
    assert (full.reason, full.ceiling, full.running) == (Reason.CEILING_FULL, 1, 1)
    assert [(holder.job_id, holder.task, holder.worker, holder.label) for holder in full.holders] == [
        (first.id, "t", "w", "label of w")
    ]
    await put(app, QUEUE, "default", QueueControl(concurrency=2))
    will = await app.awhy(receipt)
    assert (will.reason, will.due, will.running, will.slots) == (Reason.WILL_RUN, 0, 1, 4)
    assert running.id == first.id
    await app.aclose()


async def test_of_what_operators_and_handlers_do_to_queues_and_limits(app: Headrace) -> None:
    app.limit("slack", rate="10/s", burst=1)

    @app.task(name="t", queue="slack", limits=["slack"])
    async def t(n: int) -> None:
        raise Throttled("10m", limit="slack")

    await attend(app, queues={"slack": 1})
    await app.apause("slack")
    first, second = await t.aenqueue(1), await t.aenqueue(2)
    assert await reasons(app, first) == [Reason.QUEUE_PAUSED]
    await app.aresume("slack")
    assert await reasons(app, first) == [Reason.WILL_RUN]
    async with app.worker({"slack": 1}):
        while await reasons(app, first) != [Reason.THROTTLED]:
            await app.clock.sleep(0.01)
    waits = await app.awhy(second)
    assert (waits.reason, waits.limit, waits.seconds) == (Reason.LIMITED, "slack", pytest.approx(600, abs=60))
    await app.aclose()


async def test_a_full_ceiling_names_ten_of_very_many(app: Headrace) -> None:
    await attend(app)
    await app.aenqueue_many([app.by_name("t", {}, {}) for _ in range(30)])
    await claim(app, limit=29)
    await put(app, QUEUE, "default", QueueControl(concurrency=20))
    answer = await app.awhy((await app.ajobs(state="pending"))[0])
    assert (answer.reason, answer.running, len(answer.holders)) == (Reason.CEILING_FULL, 29, 10)
    assert "and 26 more" in answer.sentence
    await app.aclose()


async def test_of_a_queue_without_workers_that_could(app: Headrace) -> None:
    receipt = await app.aenqueue("t")
    assert await reasons(app, receipt) == [Reason.NO_WORKER]
    await attend(app, "elsewhere", queues={"other": 4})
    assert await reasons(app, receipt) == [Reason.NO_WORKER]
    await attend(app, "ignorant", tasks=("u",))
    assert await reasons(app, receipt) == [Reason.TASK_UNREGISTERED]
    await attend(app, "able", lease=0.0)
    assert await reasons(app, receipt) == [Reason.TASK_UNREGISTERED], "its lease has run out"
    await (await storage_of(app)).beat("hidden", [], 30)  # who claims by hand tells nothing of itself
    assert await reasons(app, receipt) == [Reason.TASK_UNREGISTERED]
    await attend(app, "able")
    for number in range(3):
        await app.aenqueue("t", {"n": number})
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.due, answer.slots) == (Reason.WILL_RUN, 3, 8)
    await app.aclose()


async def test_of_what_real_workers_tell_of_themselves(app: Headrace) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    @app.task(name="t")
    async def t() -> None:
        entered.set()
        await leave.wait()

    first, second = await t.aenqueue(), await t.aenqueue()
    stranger = await app.aenqueue("of.somebody.else", {}, priority=1)
    other = await app.aenqueue("t", {}, queue="other")
    assert await reasons(app, first) == [Reason.NO_WORKER]
    async with app.worker({"default": 1}) as worker:
        await entered.wait()
        running = await app.awhy(first)
        (known,) = await app.aworkers()
        assert (running.reason, running.worker, running.label) == (Reason.RUNNING, worker.id, known.presence.label)
        assert running.max_attempts == 3
        waits = await app.awhy(second)
        assert (waits.reason, waits.running, waits.slots) == (Reason.WILL_RUN, 1, 1)
        assert await reasons(app, other) == [Reason.NO_WORKER]
        assert (await reasons(app, stranger))[0] in (Reason.PARKED, Reason.TASK_UNREGISTERED)
        await app.acancel(first)
        assert await reasons(app, first) in ([Reason.CANCEL_REQUESTED], [Reason.CANCELLED])
        leave.set()
    assert await reasons(app, stranger) in ([Reason.PARKED, Reason.NO_WORKER], [Reason.NO_WORKER])
    await app.aclose()


async def test_of_a_limit_that_its_task_names(app: Headrace) -> None:
    @app.task(name="t", limits=["slack", "mail"])
    async def t() -> None: ...

    for limit in ("slack", "mail"):
        app.limit(limit, rate="10/s", burst=1)
    await attend(app)
    receipt = await app.aenqueue("t")
    now = await (await storage_of(app)).now()
    await put(app, LIMIT, "mail", Bucket(Rate(1, 1000), 1, 1000, at=now))
    await put(app, LIMIT, "slack", Bucket(Rate(10, 1000), 1, 0, at=now, closed_until=now + 90_000))
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.limit) == (Reason.LIMITED, "slack")
    assert answer.until == pytest.approx(now + 90_000, abs=200)
    (claimed,) = await claim(app)
    await apply(app, lifecycle.limit(claimed, 5.0))
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.limit, answer.seconds) == (Reason.LIMITED, "slack", pytest.approx(5, abs=4))
    await put(app, LIMIT, "slack", Bucket(Rate(10, 1000), 1, 1000, at=now))
    await apply(app, lifecycle.run_now(await _job(app, receipt)))
    assert await reasons(app, receipt) == [Reason.WILL_RUN]
    await app.aclose()


async def test_of_jobs_that_were_put_back(app: Headrace) -> None:
    @app.task(name="t", retry=RetryPolicy.fixed(7, 60, jitter=0))
    async def t(what: str) -> None:
        raise Snooze("1m") if what == "snooze" else ValueError("no such order")

    await attend(app)
    snoozed, failed = await t.aenqueue("snooze"), await t.aenqueue("fail")
    async with app.worker() as worker:
        await worker.idle()
    assert await reasons(app, snoozed) == [Reason.SNOOZED]
    answer = await app.awhy(failed)
    assert (answer.reason, answer.attempt, answer.max_attempts) == (Reason.RETRYING, 1, 7)
    assert answer.error == "ValueError: no such order"
    assert answer.seconds == pytest.approx(60, abs=30)
    own = await t.using(max_attempts=2).aenqueue("fail")
    async with app.worker() as worker:
        await worker.idle()
    assert (await app.awhy(own)).max_attempts == 2
    await app.aclose()


async def test_of_a_job_whose_task_nobody_knew(app: Headrace) -> None:
    @app.task(name="another")
    async def another() -> None: ...

    receipt = await app.aenqueue("t")
    async with app.worker(["default"]) as worker:
        await worker.idle()
        parked = await app.awhy(receipt)
    assert parked.reason is Reason.PARKED
    assert "dead if nobody knows it by" in parked.sentence
    job = await _job(app, receipt)
    assert (parked.since, parked.until) == (job.parked_at, job.due_at)
    await app.aclose()


async def test_of_a_job_that_runs(app: Headrace) -> None:
    @app.task(name="t")
    async def t() -> None: ...

    await attend(app)
    receipt = await t.using(max_attempts=4).aenqueue()
    (job,) = await claim(app)
    await apply(app, Change(job.id, lifecycle.held(job), Patch(notes=Notes(40.0, "half way"))))
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.worker, answer.label) == (Reason.RUNNING, "w", "label of w")
    assert (answer.percent, answer.message, answer.attempt, answer.max_attempts) == (40.0, "half way", 1, 4)
    assert answer.since == job.started_at
    await app.acancel(receipt)
    assert await reasons(app, receipt) == [Reason.CANCEL_REQUESTED]
    await app.aclose()


async def test_of_a_job_whose_worker_is_silent_and_then_gone(app: Headrace) -> None:
    receipt = await app.aenqueue("t")
    await attend(app, lease=30.0)
    (job,) = await claim(app)
    storage = await storage_of(app)
    await storage.beat("w", [], 9.0)  # as one looks that was to beat 21 s ago
    silent = await app.awhy(receipt)
    assert (silent.reason, silent.seconds) == (Reason.WORKER_SILENT, pytest.approx(9, abs=5))
    await storage.beat("w", [], 0)
    lost = await app.awhy(receipt)
    assert (lost.reason, "no live worker can" in lost.sentence) == (Reason.WORKER_LOST, True)
    await attend(app, "v")
    assert "within seconds" in (await app.awhy(receipt)).sentence
    (taken_over,) = await storage.reclaim("v", 10)
    rescue = await app.awhy(receipt)
    assert (rescue.reason, rescue.label) == (Reason.BEING_RESCUED, "label of v")
    await apply(app, lifecycle.lapse(taken_over, 0.5))
    crashed = await app.awhy(receipt)
    assert (crashed.reason, crashed.attempt) == (Reason.CRASHED, 1)
    assert job.id == receipt.id
    await app.aclose()


@pytest.mark.parametrize("executor", [None, "process"])
async def test_of_a_job_that_must_run_alone(app: Headrace, executor: Any) -> None:
    app.task(name="t", executor=executor)(_nothing)
    receipt = await app.aenqueue("t")
    await attend(app, "gone")
    (job,) = await claim(app, "gone")
    await apply(app, lifecycle.lapse(job, 0.5))
    await app.arun_now(receipt)
    await attend(app)
    assert ("will run alone" in (await app.awhy(receipt)).sentence) is (executor is None)
    (job,) = await claim(app)
    waits = Reason.RUNNING if executor else Reason.WAITS_TO_RUN_ALONE
    assert await reasons(app, receipt) == [waits]
    await apply(app, lifecycle.stamp_alone(job))
    assert await reasons(app, receipt) == [Reason.RUNNING]
    await apply(app, lifecycle.await_solitude(job, 30.0))
    assert await reasons(app, receipt) == [Reason.WAITS_TO_RUN_ALONE]
    await app.aclose()


async def test_of_a_job_that_was_claimed_by_hand(app: Headrace) -> None:
    receipt = await app.aenqueue("by.hand")
    (claimed,) = await app.aclaim(lease=20)
    answer = await app.awhy(receipt)
    assert (answer.reason, answer.label, answer.worker) == (Reason.RUNNING, None, claimed.job.worker)
    assert "claimed by hand" in answer.sentence
    await app.aclose()


async def test_of_jobs_that_are_over(app: Headrace) -> None:
    @app.task(name="t")
    async def t(what: str) -> None:
        if what == "refuse":
            raise PermanentFailure("bad input")

    fine, dead = await t.aenqueue("ok"), await t.aenqueue("refuse")
    cancelled = await t.using(delay=60).aenqueue("later")
    await app.acancel(cancelled)
    async with app.worker() as worker:
        await worker.idle()
    assert [await reasons(app, receipt) for receipt in (fine, dead, cancelled)] == [
        [Reason.COMPLETED],
        [Reason.DEAD],
        [Reason.CANCELLED],
    ]
    assert "permanent" in (await app.awhy(dead)).sentence
    assert await reasons(app, app.ids.new()) == [Reason.UNKNOWN]
    assert await reasons(app, OLD) == [Reason.EXPIRED]
    await app.aclose()


async def test_an_answer_fits_together_though_the_job_moves_meanwhile(
    app: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of a job that waits says nothing of one that runs: it is read again."""
    receipt = await app.aenqueue("t")
    await attend(app)
    storage = await storage_of(app)
    count = storage.count

    async def claimed_meanwhile() -> Any:
        await claim(app)
        return await count()

    monkeypatch.setattr(storage, "count", claimed_meanwhile)
    assert await reasons(app, receipt) == [Reason.RUNNING]
    await app.aclose()


async def test_answers_while_workers_work_are_always_whole(app: Headrace) -> None:
    @app.task(name="t", retry=RetryPolicy.fixed(2, 0.001))
    async def t(n: int) -> None:
        if n % 3 == 0:
            raise ValueError(n)

    receipts = await app.aenqueue_many([t.call(n) for n in range(60)])
    seen: set[Reason] = set()
    async with app.worker({"default": 3}) as worker:
        waiting = asyncio.ensure_future(worker.idle())
        while not waiting.done():
            answers: list[Why] = [await app.awhy(receipt) for receipt in receipts[::7]]
            seen.update(answer.reason for answer in answers)
            await app.clock.sleep(0)
        await waiting
    assert {await _reason(app, receipt) for receipt in receipts} == {Reason.COMPLETED, Reason.DEAD}
    assert seen & {Reason.WILL_RUN, Reason.RUNNING, Reason.RETRYING, Reason.COMPLETED}
    await app.aclose()


async def test_the_sync_twin(app: Headrace) -> None:
    from headrace.system.threads import start_thread

    answers: list[Why] = []
    start_thread("caller", lambda: answers.append(app.why(OLD))).join(20)
    assert [answer.reason for answer in answers] == ["expired"]
    await app.aclose()


async def _reason(app: Headrace, receipt: Any) -> Reason:
    return (await app.awhy(receipt)).reason


async def _job(app: Headrace, receipt: Any) -> Job:
    job = await app.ajob(receipt)
    assert job is not None
    return job


def _nothing() -> None: ...
