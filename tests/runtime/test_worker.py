"""A worker's life in virtual time: hooks, middleware, parking, cancel, shutdown, idleness."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from stand import EXACT, Stand, gaps_of, settle_loop

from headrace import CancelOutcome, Job, RetryPolicy, Snooze, State
from headrace.model.errors import LeaseLost, StoreBusy
from headrace.model.record import QUEUE, Put

pytestmark = pytest.mark.anyio


# --- middleware and hooks ---------------------------------------------------------------------------------------------


async def test_middleware_wraps_in_the_order_it_was_added_and_sees_the_result(stand: Stand) -> None:
    log: list[str] = []

    def middleware(name: str) -> Any:
        async def wrap(job: Job, call_next: Any) -> object:
            log.append(f"{name} in")
            value = await call_next(job)
            log.append(f"{name} out {value}")
            return value + 1

        return wrap

    stand.app.add_middleware(middleware("outer"))
    stand.app.add_middleware(middleware("inner"))

    @stand.app.task
    async def one() -> int:
        log.append("handler")
        return 1

    receipt = await one.aenqueue()
    await stand.final(receipt)
    assert log == ["outer in", "inner in", "handler", "inner out 1", "outer out 2"]
    assert await stand.app.aresult(receipt) == 3


async def test_middleware_sees_exceptions_and_may_raise_its_own(stand: Stand) -> None:
    @stand.app.add_middleware
    async def translate(job: Job, call_next: Any) -> object:
        try:
            return await call_next(job)
        except ZeroDivisionError:
            raise Snooze(10) from None

    runs: list[int] = []

    @stand.app.task
    def divides() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError

    job = await stand.final(await divides.aenqueue())
    assert (job.state, job.attempt, len(runs)) == (State.COMPLETED, 1, 2)


async def test_middleware_that_answers_itself_keeps_the_handler_from_running(stand: Stand) -> None:
    @stand.app.add_middleware
    async def skip(job: Job, call_next: Any) -> object:
        return "skipped"

    @stand.app.task
    async def never() -> str:
        raise AssertionError("ran")

    receipt = await never.aenqueue()
    await stand.final(receipt)
    assert await stand.app.aresult(receipt) == "skipped"


async def test_hooks_run_before_the_first_job_and_after_the_last(stand: Stand) -> None:
    log: list[str] = []
    stand.app.on_worker_start(lambda: log.append("sync start"))

    @stand.app.on_worker_start
    async def start() -> None:
        log.append("async start")

    @stand.app.on_worker_stop
    async def stop() -> None:
        log.append("stop")

    @stand.app.task
    async def job() -> None:
        log.append("job")

    await stand.final(await job.aenqueue())
    assert log == ["sync start", "async start", "job", "stop"]


async def test_a_start_hook_that_raises_leaves_no_lease_and_no_heart(stand: Stand) -> None:
    stand.app.on_worker_start(lambda: 1 / 0)
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with stand.app.worker(worker_id="w"):
            raise AssertionError("started")
    assert asyncio.all_tasks() == before
    storage = await stand.storage()
    assert not storage._store.leases.live("w", storage._store.boot_now())


async def test_a_cancelled_stop_still_ends_the_lease(stand: Stand) -> None:
    running = asyncio.Event()

    @stand.app.task
    async def long() -> None:
        running.set()
        await stand.pass_time(1000)

    await long.aenqueue()

    async def work() -> None:
        async with stand.app.worker(worker_id="w"):
            await running.wait()

    task = asyncio.create_task(work())
    await running.wait()
    await settle_loop()
    task.cancel()  # in the middle of the grace
    with pytest.raises(asyncio.CancelledError):
        await task
    await stand.pass_time(0.1)
    storage = await stand.storage()
    assert not storage._store.leases.live("w", storage._store.boot_now())
    for lane in asyncio.all_tasks():
        if lane.get_name() == "headrace-lane":
            lane.cancel()
            await asyncio.wait([lane])


# --- unknown tasks ----------------------------------------------------------------------------------------------------


async def test_a_job_of_an_unknown_task_is_parked_longer_each_time_and_dead_after_the_grace(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(unknown_task_grace=60)
    receipt = await stand.app.aenqueue("nobody.knows", {"a": 1})
    parked: list[float] = []
    async with stand.app.worker():
        while (job := await stand.job(receipt)).state not in (State.DEAD,):
            if job.generation > len(parked) and job.state is State.SCHEDULED:
                parked.append(stand.now)
                assert job.attempt == 0
            await stand.pass_time(0.25)
    waits = gaps_of(parked)
    assert waits[0] < 1.5
    assert max(waits) > 10
    assert waits[:4] == sorted(waits[:4])
    assert (job.reason, job.attempt <= 1, job.crashes) == ("unknown_task", True, 0)
    assert 59 <= stand.now - parked[0] < 65


async def test_with_a_grace_of_zero_an_unknown_task_is_dead_at_once(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(unknown_task_grace=0)
    job = await stand.final(await stand.app.aenqueue("nobody.knows"))
    assert (job.state, job.reason) == (State.DEAD, "unknown_task")


async def test_a_parked_job_runs_once_its_task_is_known(stand: Stand) -> None:
    receipt = await stand.app.aenqueue("rolling.deploy")
    async with stand.app.worker():
        await stand.pass_time(100)
        stand.app.task(name="rolling.deploy")(lambda: 7)
        job = await stand.app.ajoin(receipt, "10m")
    assert (job.state, job.attempt, job.history) == (State.COMPLETED, 1, ())


# --- cancel -----------------------------------------------------------------------------------------------------------


async def test_a_waiting_job_that_is_cancelled_never_starts(stand: Stand) -> None:
    @stand.app.task
    async def never() -> None:
        raise AssertionError("ran")

    receipts = [await never.aenqueue(), await never.using(delay=5).aenqueue()]
    assert [await stand.app.acancel(receipt) for receipt in receipts] == [CancelOutcome.CANCELLED] * 2
    assert [await stand.app.acancel(receipt) for receipt in receipts] == [CancelOutcome.ALREADY_FINAL] * 2
    async with stand.app.worker():
        await stand.pass_time(10)
    assert [(await stand.job(receipt)).state for receipt in receipts] == [State.CANCELLED] * 2


async def test_cancelling_what_does_not_exist_says_so(stand: Stand) -> None:
    assert await stand.app.acancel(stand.app.ids.new()) is CancelOutcome.NOT_FOUND


async def test_a_running_async_handler_is_cancelled_once_and_may_clean_up_in_peace(stand: Stand) -> None:
    log: list[str] = []

    @stand.app.task
    async def long() -> None:
        try:
            await stand.pass_time(1000)
        except asyncio.CancelledError:
            log.append("told")
            await stand.pass_time(20)  # longer than polls and beats, which see the same wish again
            log.append("clean")
            raise

    receipt = await long.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(1)
        assert await stand.app.acancel(receipt) is CancelOutcome.REQUESTED
        asked = stand.now
        job = await stand.app.ajoin(receipt, 100)
    assert (job.state, job.attempt, log) == (State.CANCELLED, 1, ["told", "clean"])
    assert stand.now - asked < 22


async def test_a_handler_that_finishes_all_the_same_stays_completed(stand: Stand) -> None:
    @stand.app.task
    async def stubborn() -> str:
        try:
            await stand.pass_time(1000)
        except asyncio.CancelledError:
            return "done"
        return "late"

    receipt = await stubborn.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(1)
        await stand.app.acancel(receipt)
        assert await stand.app.aresult(receipt, 10) == "done"


async def test_a_cancelled_handler_that_fails_is_cancelled_and_not_retried(stand: Stand) -> None:
    @stand.app.task
    async def fails() -> None:
        try:
            await stand.pass_time(1000)
        finally:
            raise ValueError("while cleaning up")

    receipt = await fails.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(1)
        await stand.app.acancel(receipt)
        job = await stand.app.ajoin(receipt, 10)
    assert (job.state, job.attempt) == (State.CANCELLED, 1)


# --- shutdown ---------------------------------------------------------------------------------------------------------


async def test_a_stop_lets_finish_what_ends_within_the_grace(stand: Stand) -> None:
    @stand.app.task
    async def takes(seconds: float) -> None:
        await stand.pass_time(seconds)

    receipts = [await takes.aenqueue(20) for _ in range(8)]
    async with stand.app.worker({"default": 8}):
        await settle_loop()
    assert [(await stand.job(receipt)).state for receipt in receipts] == [State.COMPLETED] * 8


async def test_a_stop_hands_back_what_does_not_end_and_it_runs_at_once_elsewhere(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(grace=5)
    ends: list[asyncio.Event] = []

    @stand.app.task(retry=RetryPolicy.none())
    async def takes() -> None:
        ends.append(asyncio.Event())
        if len(ends) == 1:
            await stand.pass_time(1000)

    receipt = await takes.aenqueue()
    async with stand.app.worker() as worker:
        await settle_loop()
        begun = stand.now
        await worker.stop()
        assert stand.now - begun == pytest.approx(5, abs=0.01)
    job = await stand.job(receipt)
    assert (job.state, job.attempt, job.reason) == (State.PENDING, 0, "interrupted")
    begun = stand.now
    job = await stand.final(receipt)
    assert (job.state, job.attempt) == (State.COMPLETED, 1)
    assert stand.now - begun < 0.1


async def test_a_second_stop_order_hands_back_now(stand: Stand) -> None:
    @stand.app.task
    async def takes() -> None:
        await stand.pass_time(1000)

    receipt = await takes.aenqueue()
    async with stand.app.worker() as worker:
        await settle_loop()
        stopping = asyncio.create_task(worker.stop())
        await stand.pass_time(1)
        begun = stand.now
        worker.hurry()
        await stopping
    assert stand.now - begun < 0.1
    assert (await stand.job(receipt)).state is State.PENDING


async def test_a_handler_that_ignores_the_stop_is_handed_back_and_fenced(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(grace=1, kill_after=2)

    @stand.app.task
    async def deaf() -> str:
        for _ in range(100):
            try:
                await stand.pass_time(1)
            except asyncio.CancelledError:
                pass
        return "stale"

    receipt = await deaf.aenqueue()
    async with stand.app.worker():
        await settle_loop()
    job = await stand.job(receipt)
    assert (job.state, job.attempt) == (State.PENDING, 0)
    await stand.pass_time(200)
    assert (await stand.job(receipt)).state is State.PENDING
    assert stand.reported(LeaseLost)


async def test_jobs_claimed_while_the_worker_was_told_to_stop_go_back_unharmed(stand: Stand) -> None:
    runs: list[int] = []

    @stand.app.task
    async def counted() -> None:
        runs.append(1)

    storage = await stand.storage()
    claiming, go = asyncio.Event(), asyncio.Event()
    claim = storage.claim

    async def slow_claim(*arguments: Any) -> Any:
        claiming.set()
        await go.wait()
        return await claim(*arguments)

    storage.claim = slow_claim
    receipt = await counted.aenqueue()
    async with stand.app.worker() as worker:
        await claiming.wait()
        stopping = asyncio.create_task(worker.stop())
        await settle_loop()
        go.set()
        await stopping
    job = await stand.job(receipt)
    assert (runs, job.state, job.attempt) == ([], State.PENDING, 0)


# --- idle -------------------------------------------------------------------------------------------------------------


async def test_idle_waits_for_the_due_jobs_of_a_paused_queue(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    storage = await stand.storage()
    await storage.put([Put(QUEUE, "default", '{"paused":true}')])
    receipt = await fine.aenqueue()
    async with stand.app.worker(["default"]) as worker:
        idle = asyncio.ensure_future(worker.idle())
        await stand.pass_time(60)
        assert not idle.done()
        assert (await stand.app.awhy(receipt)).reason == "queue_paused"
        await storage.put([Put(QUEUE, "default", "{}")])
        await idle
    assert (await stand.job(receipt)).state is State.COMPLETED


async def test_idle_looks_ahead_as_far_as_it_is_asked(stand: Stand) -> None:
    @stand.app.task
    async def nothing() -> None: ...

    now = await nothing.aenqueue()
    soon = await nothing.using(delay=5).aenqueue()
    later = await nothing.using(delay=500).aenqueue()
    async with stand.app.worker() as worker:
        await worker.idle()
        assert (await stand.job(now)).state is State.COMPLETED
        assert (await stand.job(soon)).state is State.SCHEDULED
        await worker.idle(within="10s")
        assert (await stand.job(soon)).state is State.COMPLETED
        assert (await stand.job(later)).state is State.SCHEDULED


async def test_jobs_become_due_without_a_poll_in_between(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(poll="1h")
    starts: list[float] = []

    @stand.app.task
    async def notes() -> None:
        starts.append(stand.now)

    async with stand.app.worker():
        begun = stand.now
        receipt = await notes.using(delay=90).aenqueue()
        await stand.app.ajoin(receipt, 100)
    assert starts[0] - begun == pytest.approx(90, abs=0.1)


async def test_delayed_and_prioritised_jobs_run_in_order(stand: Stand) -> None:
    order: list[str] = []

    @stand.app.task
    async def notes(name: str) -> None:
        order.append(name)

    await notes.using(priority=20_000).aenqueue("late")
    await notes.aenqueue("first of equals")
    await notes.aenqueue("second of equals")
    await notes.using(priority=1).aenqueue("early")
    async with stand.app.worker({"default": 1}) as worker:
        await worker.idle()
    assert order == ["early", "first of equals", "second of equals", "late"]


# --- a storage that fails ---------------------------------------------------------------------------------------------


def failing(storage: Any, name: str, times: int) -> list[float]:
    """Makes the next calls of one operation fail; returns the moments at which it was tried."""
    tried: list[float] = []
    real = getattr(storage, name)

    async def sometimes(*arguments: Any) -> Any:
        tried.append(asyncio.get_running_loop().time())
        if len(tried) <= times:
            raise StoreBusy("jobs.db", 10)
        return await real(*arguments)

    setattr(storage, name, sometimes)
    return tried


async def test_a_result_is_recorded_again_and_again_until_the_storage_takes_it(stand: Stand) -> None:
    runs: list[int] = []

    @stand.app.task
    async def counted() -> None:
        runs.append(1)

    tried = failing(await stand.storage(), "apply", times=5)
    job = await stand.final(await counted.aenqueue())
    assert (job.state, runs) == (State.COMPLETED, [1])
    assert len(tried) == 6
    gaps = gaps_of(tried)
    assert gaps == sorted(gaps)
    assert len(stand.reported(StoreBusy)) == 5


async def test_claims_back_off_from_a_failing_storage_and_resume(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    receipt = await fine.aenqueue()
    tried = failing(await stand.storage(), "claim", times=6)
    job = await stand.final(receipt)
    assert job.state is State.COMPLETED
    gaps = gaps_of(tried[:6])
    assert gaps == sorted(gaps)
    assert gaps[0] < 0.2 < gaps[-1]


async def test_a_stop_does_not_wait_for_ever_for_a_storage_that_is_gone(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(patience=3)

    @stand.app.task
    async def fine() -> None: ...

    storage = await stand.storage()
    await fine.aenqueue()
    async with stand.app.worker() as worker:
        failing(storage, "apply", times=10**9)
        await settle_loop()
        begun = stand.now
        await worker.stop()
        assert stand.now - begun < 10


# --- ceilings and pauses ----------------------------------------------------------------------------------------------


async def test_a_queues_ceiling_holds_and_costs_no_throughput(stand: Stand) -> None:
    stand.app.queue("default", concurrency=2)
    together, most, ended = 0, 0, []

    @stand.app.task
    async def counted() -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await stand.pass_time(0.01)
        together -= 1
        ended.append(stand.now)

    for _ in range(20):
        await counted.aenqueue()
    async with stand.app.worker({"default": 10}) as worker:
        begun = stand.now
        await worker.idle()
    assert most == 2
    assert len(ended) == 20
    assert ended[-1] - begun < 1, "a freed place under the ceiling waited for the poll"


async def test_a_queue_that_gives_nothing_is_asked_once_a_poll_and_not_in_a_frenzy(stand: Stand) -> None:
    from headrace.model.record import QUEUE, Put

    storage = await stand.storage()
    await storage.put([Put(QUEUE, "default", '{"paused":true}')])

    @stand.app.task
    async def fine() -> None: ...

    @stand.app.task(queue="other")
    async def other() -> None: ...

    receipt = await fine.aenqueue()
    tried = failing(storage, "claim", times=0)
    async with stand.app.worker(["default", "other"]):
        await stand.pass_time(10)
        assert len(tried) < 50
        delayed = await other.using(delay=0.3).aenqueue()
        begun = stand.now
        await stand.app.ajoin(delayed, 10)
        assert stand.now - begun == pytest.approx(0.3, abs=0.1)
    assert (await stand.job(receipt)).state is State.PENDING


# --- events -----------------------------------------------------------------------------------------------------------


async def ids_of(stand: Stand, heard: list[Any]) -> list[str]:
    await stand.app.bus.flush()
    return [event.id.removeprefix("queue.job.") for event in heard]


async def test_events_of_a_success_come_in_order_and_tell_who_and_when(stand: Stand) -> None:
    heard = stand.hear()

    @stand.app.task
    async def fine() -> None:
        await stand.pass_time(2)

    receipt = await fine.aenqueue()
    async with stand.app.worker(worker_id="w"):
        await stand.app.ajoin(receipt, 10)
    assert await ids_of(stand, heard) == ["queued", "started", "completed"]
    queued, started, completed = heard
    assert {event.job_id for event in heard} == {receipt.id}
    assert (queued.attempt, queued.worker, started.attempt, started.worker) == (0, None, 1, "w")
    assert (completed.task, completed.queue) == (fine.name, "default")
    assert completed.seconds == pytest.approx(2, abs=0.01)
    assert completed.at - started.at == pytest.approx(2000, abs=10)


async def test_events_of_failures(stand: Stand) -> None:
    heard = stand.hear("queue.job.failed", "queue.job.retrying", "queue.job.dead_letter")

    @stand.app.task(retry=RetryPolicy.fixed(2, 1))
    async def fails() -> None:
        raise ValueError("why")

    await stand.final(await fails.aenqueue())
    assert await ids_of(stand, heard) == ["failed", "retrying", "failed", "dead_letter"]
    assert [event.attempt for event in heard] == [1, 1, 2, 2]
    assert heard[-1].reason == "ValueError: why"


async def test_events_of_cancelled_snoozed_and_throttled_jobs(stand: Stand) -> None:
    from headrace import Cancelled, Throttled

    heard = stand.hear("queue.job.cancelled", "queue.job.snoozed", "queue.job.throttled")
    wishes: list[Exception] = [Cancelled(), Throttled(1), Snooze(1)]

    @stand.app.task
    async def wishes_something() -> None:
        raise wishes.pop()

    await stand.final(await wishes_something.aenqueue())
    waiting = await wishes_something.using(delay=60).aenqueue()
    await stand.app.acancel(waiting)
    assert await ids_of(stand, heard) == ["snoozed", "throttled", "cancelled", "cancelled"]
    assert heard[-1].job_id == waiting.id


async def test_a_duplicate_is_not_announced(stand: Stand) -> None:
    heard = stand.hear("queue.job.queued")

    @stand.app.task
    async def fine() -> None: ...

    await fine.using(key="k").aenqueue()
    assert (await fine.using(key="k").aenqueue()).duplicate
    assert len(await ids_of(stand, heard)) == 1


async def test_listeners_that_raise_are_reported_and_the_next_ones_are_told(stand: Stand) -> None:
    told: list[str] = []

    @stand.app.on("queue.job.completed")
    def broken(event: Any) -> None:
        raise SystemExit("listener")

    @stand.app.on("queue.job.completed")
    async def fine_listener(event: Any) -> None:
        told.append(event.job_id)

    @stand.app.task
    async def fine() -> None: ...

    receipts = [await fine.aenqueue() for _ in range(2)]
    async with stand.app.worker() as worker:
        await worker.idle()
    await stand.app.bus.flush()
    assert sorted(told) == sorted(receipt.id for receipt in receipts)
    assert len(stand.reported(SystemExit)) == 2


async def test_a_listener_that_never_answers_stalls_no_job_and_no_close(stand: Stand) -> None:
    @stand.app.on("queue.job.completed")
    async def stuck(event: Any) -> None:
        await stand.pass_time(10**6)

    @stand.app.task
    async def fine() -> None: ...

    async with stand.app.worker():
        for _ in range(3):
            assert (await stand.app.ajoin(await fine.aenqueue(), 5)).state is State.COMPLETED
    begun = stand.now
    await stand.app.aclose(timeout=5)
    assert stand.now - begun == pytest.approx(5, abs=0.1)
    assert "still busy after 5 s" in str(stand.reports[-1][1])
    for task in asyncio.all_tasks():
        if task.get_name() == "headrace-events":
            task.cancel()


async def test_a_delay_comes_before_the_first_attempt_and_is_no_retry(stand: Stand) -> None:
    @stand.app.task(retry=EXACT)
    async def fails() -> None:
        raise ValueError

    begun = stand.now
    await stand.final(await fails.using(delay="1h").aenqueue(), "2h")
    assert stand.now - begun == pytest.approx(3603, abs=1)
