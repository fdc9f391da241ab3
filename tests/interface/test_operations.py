"""What programs do with jobs: enqueue, wait, retry, claim by hand. On memory and on SQLite."""

import asyncio
import threading
from uuid import UUID

import pytest

from headrace import Cancelled, Headrace, PermanentFailure, RetryPolicy, Snooze, State, Throttled
from headrace.model.errors import (
    InvalidOption,
    JobCancelled,
    JobDead,
    JobExpired,
    JobNotFound,
    KeyHeld,
    LeaseLost,
    NotRetryable,
    WaitTimeout,
)

pytestmark = pytest.mark.anyio


async def test_a_hundred_enqueues_at_once_make_a_hundred_jobs(app: Headrace) -> None:
    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    receipts = await asyncio.gather(*[add.aenqueue(n, 1) for n in range(100)])
    assert len({receipt.id for receipt in receipts}) == 100
    async with app.worker({"default": 10}):
        assert [await app.aresult(receipt, 20) for receipt in receipts] == [n + 1 for n in range(100)]
    await app.aclose()


async def test_a_caller_that_is_cancelled_in_mid_flight_takes_nobody_along(app: Headrace) -> None:
    @app.task
    async def fine(n: int) -> None: ...

    tasks = [asyncio.create_task(fine.aenqueue(n)) for n in range(10)]
    await app.clock.sleep(0)
    tasks[0].cancel()
    tasks[5].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    receipts = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(receipts) >= 8
    assert all([await app.ajob(receipt) for receipt in receipts])  # type: ignore[arg-type]
    assert await app.apending_count() in range(8, 11)
    await app.aclose()


async def test_enqueue_many_is_all_or_nothing_and_keeps_the_order(app: Headrace) -> None:
    @app.task
    async def fine(n: int) -> int:
        return n

    calls = [fine.call(1), fine.using(delay=60, key="k").call(2), fine.using(key="k").call(3)]
    receipts = await app.aenqueue_many(calls)
    assert [receipt.duplicate for receipt in receipts] == [False, False, True]
    assert (receipts[2].id, receipts[2].payload_differs) == (receipts[1].id, True)
    assert await app.aenqueue_many([]) == ()
    await app.aclose()


async def test_a_key_collapses_jobs_until_the_first_is_final(app: Headrace) -> None:
    @app.task
    async def fine(n: int) -> None: ...

    first = await fine.using(key="welcome:42").aenqueue(1)
    same = await fine.using(key="welcome:42").aenqueue(1)
    other = await fine.using(key="welcome:42").aenqueue(2)
    assert [(r.duplicate, r.payload_differs) for r in (first, same, other)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    async with app.worker():
        await app.ajoin(first, 10)
        again = await fine.using(key="welcome:42").aenqueue(1)
    assert not again.duplicate
    await app.aclose()


async def test_the_same_id_again_is_the_same_job(app: Headrace) -> None:
    mine = UUID(app.ids.new())

    @app.task
    async def fine() -> None: ...

    receipts = [await fine.using(id=mine).aenqueue(), await fine.using(id=str(mine)).aenqueue()]
    assert receipts[0] == receipts[1]
    assert await app.apending_count() == 1
    await app.aclose()


async def test_waiting_tells_completed_dead_cancelled_unknown_and_late_apart(app: Headrace) -> None:
    @app.task
    async def answers(what: str) -> str:
        if what == "refuse":
            raise PermanentFailure("bad input")
        return what

    async with app.worker():
        assert await app.aresult(await answers.aenqueue("ok"), 10) == "ok"
        with pytest.raises(JobDead, match=r"dead \(permanent\): PermanentFailure: bad input"):
            await app.aresult(await answers.aenqueue("refuse"), 10)
        late = await answers.using(delay=60).aenqueue("late")
        with pytest.raises(WaitTimeout, match=r"after 0\.05 s; it goes on"):
            await app.aresult(late, "50ms")
        with pytest.raises(TimeoutError):
            await app.ajoin(late, 0)
        await app.acancel(late)
        with pytest.raises(JobCancelled):
            await app.aresult(late, 10)
        assert (await app.ajoin(late, 10)).state is State.CANCELLED
    with pytest.raises(JobNotFound) as missing:
        await app.aresult(app.ids.new(), 1)
    assert not isinstance(missing.value, JobExpired)
    with pytest.raises(JobExpired):
        await app.aresult("01890000-0000-7000-8000-000000000000", 1)  # made in 2023
    await app.aclose()


async def test_a_job_is_named_by_text_uuid_receipt_or_itself(app: Headrace) -> None:
    @app.task
    async def fine() -> None: ...

    receipt = await fine.aenqueue()
    job = await app.ajob(receipt.id)
    assert job is not None
    assert [await app.ajob(UUID(receipt.id)), await app.ajob(receipt), await app.ajob(job)] == [job] * 3
    with pytest.raises(InvalidOption, match="a UUID"):
        await app.ajob("42")
    with pytest.raises(InvalidOption):
        await app.ajob(42)  # type: ignore[arg-type]
    await app.aclose()


async def test_results_come_back_in_the_annotated_type(app: Headrace) -> None:
    from datetime import date

    @app.task
    async def day(on: date) -> dict[str, date]:
        return {"on": on}

    receipt = await day.aenqueue(date(2026, 1, 2))
    async with app.worker():
        assert await app.aresult(receipt, 10) == {"on": date(2026, 1, 2)}
    await app.aclose()


async def test_dead_jobs_are_listed_by_page_sent_back_and_cleared(app: Headrace) -> None:
    broken = True

    @app.task(retry=RetryPolicy.none())
    async def fails(n: int) -> None:
        if broken:
            raise ValueError

    receipts = [await fails.aenqueue(n) for n in range(5)]
    async with app.worker():
        for receipt in receipts:
            await app.ajoin(receipt, 10)
    page = await app.adead_letters(limit=3)
    rest = await app.adead_letters(limit=3, after=page.next)
    assert [job.id for job in [*page, *rest]] == [receipt.id for receipt in reversed(receipts)]
    assert rest.next is None
    await app.aretry(receipts[0])
    with pytest.raises(NotRetryable, match="is pending; only dead"):
        await app.aretry(receipts[0])
    assert (await app.aretry_dead(task=fails.name)).count == 4
    broken = False
    async with app.worker():
        assert {(await app.ajoin(receipt, 10)).attempt for receipt in receipts} == {1}
    assert await app.aclear_dead_letters() == 0
    await app.aclose()


async def test_a_dead_job_whose_key_is_held_stays_dead(app: Headrace) -> None:
    @app.task
    async def fails() -> None:
        raise PermanentFailure

    receipt = await fails.using(key="k").aenqueue()
    async with app.worker():
        await app.ajoin(receipt, 10)
    holder = await fails.using(key="k", delay=60).aenqueue()
    with pytest.raises(KeyHeld, match=holder.id):
        await app.aretry(receipt)
    assert await app.aretry_dead() == type(await app.aretry_dead())(0, 1)
    await app.aclose()


async def test_run_now_is_for_jobs_that_wait_for_their_time(app: Headrace) -> None:
    @app.task
    async def fine() -> None: ...

    receipt = await fine.using(delay="1h").aenqueue()
    async with app.worker():
        await app.arun_now(receipt)
        assert (await app.ajoin(receipt, 10)).state is State.COMPLETED
    with pytest.raises(NotRetryable):
        await app.arun_now(receipt)
    with pytest.raises(JobNotFound):
        await app.arun_now(app.ids.new())
    await app.aclose()


# --- claims by hand ---------------------------------------------------------------------------------------------------


async def test_claims_are_acknowledged_with_a_result_or_given_back_with_an_error(app: Headrace) -> None:
    receipts = [await app.aenqueue("by.hand", {"n": n}) for n in range(2)]
    first, second = await app.aclaim(limit=10)
    assert (first.arguments, first.attempt, first.task) == ({"n": 0}, 1, "by.hand")
    assert not await app.aclaim()
    await app.aack(first, {"ok": True})
    await app.anack(second, ValueError("no"))
    assert await app.aresult(receipts[0], 1) == {"ok": True}
    failed = await app.ajob(receipts[1])
    assert failed is not None
    assert (failed.state, failed.last_error) == (State.RETRYING, "ValueError: no")
    await app.aclose()


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (PermanentFailure("no such file"), State.DEAD, "permanent"),
        (Snooze("5m"), State.SCHEDULED, "snoozed"),
        (Throttled("5m"), State.SCHEDULED, "throttled"),
        (Cancelled("changed our mind"), State.CANCELLED, "cancelled"),
        (KeyError("named by give_up_on"), State.DEAD, "given_up"),
        (asyncio.CancelledError(), State.RETRYING, "failed"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_claim_given_back_with_an_exception_means_what_a_handler_means_by_it(
    app: Headrace, error: BaseException, state: State, reason: str
) -> None:
    @app.task(name="by.hand", give_up_on=KeyError)
    async def registered() -> None: ...

    receipt = await registered.aenqueue()
    (claim,) = await app.aclaim()
    await app.anack(claim, error)
    job = await app.ajob(receipt)
    assert job is not None
    assert (job.state, job.reason) == (state, reason)
    await app.aclose()


async def test_a_stale_claim_is_refused_whatever_it_wants(app: Headrace) -> None:
    await app.aenqueue("by.hand", b"raw")
    (claim,) = await app.aclaim()
    assert claim.arguments == b"raw"
    await app.aack(claim)
    for stale in (app.aack(claim), app.anack(claim, "no"), app.arenew(claim)):
        with pytest.raises(LeaseLost):
            await stale
    await app.aclose()


async def test_many_claims_are_acknowledged_in_one_step_which_names_the_lost_ones(app: Headrace) -> None:
    completed: list[str] = []
    app.on("queue.job.completed")(lambda event: completed.append(event.job_id))
    for n in range(3):
        await app.aenqueue("by.hand", {"n": n})
    first, lost, last = await app.aclaim(limit=3)
    await app.anack(lost, "no")
    assert await app.aack_many([first, lost, last, last]) == [lost, last]
    assert await app.aack_many([]) == []
    states = [job.state for claim in (first, lost, last) if (job := await app.ajob(claim.id)) is not None]
    assert states == [State.COMPLETED, State.RETRYING, State.COMPLETED]
    await app.aclose()
    assert completed == [first.id, last.id]


async def test_a_claim_that_ran_out_is_rescued_by_the_next_and_comes_only_by_itself(app: Headrace) -> None:
    await app.aenqueue("by.hand", {"n": 0})
    (old,) = await app.aclaim(lease=0.05)
    await app.clock.sleep(0.08)
    assert not await app.aclaim()  # rescued, and waits out its back-off
    await app.arun_now(old.id)
    for n in (1, 2):
        await app.aenqueue("by.hand", {"n": n})
    claims = await app.aclaim(limit=10)
    while len(claims) > 1:  # the others first: the suspect went back
        for claim in claims:
            assert claim.job.crashes == 0
            await app.aack(claim)
        claims = await app.aclaim(limit=10)
    (suspect,) = claims
    assert (suspect.id, suspect.job.crashes, suspect.fence > old.fence) == (old.id, 1, True)
    with pytest.raises(LeaseLost):
        await app.aack(old)
    await app.aack(suspect)
    await app.aclose()


async def test_a_renewed_claim_outlives_its_lease(app: Headrace) -> None:
    await app.aenqueue("by.hand", {"n": 0})
    (claim,) = await app.aclaim(lease=0.2)
    for _ in range(3):
        await app.clock.sleep(0.1)
        await app.arenew(claim)
        assert not await app.aclaim()
    await app.aack(claim)
    await app.aclose()


# --- loops and threads ------------------------------------------------------------------------------------------------


def test_several_event_loops_use_one_app_each_with_a_handle_of_its_own(app: Headrace) -> None:
    @app.task
    async def fine() -> None: ...

    barrier = threading.Barrier(4)
    failed: list[BaseException] = []

    async def enqueue() -> None:
        barrier.wait(10)  # all open their first handle at the same moment
        await asyncio.gather(*[fine.aenqueue() for _ in range(10)])
        await app.handles_here_closed()

    def run() -> None:
        try:
            asyncio.run(enqueue())
        except BaseException as error:
            failed.append(error)

    from headrace.system.threads import start_thread

    threads = [start_thread(f"loop {n}", run) for n in range(4)]
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert app.pending_count() == 40


def test_sync_calls_from_many_threads(app: Headrace) -> None:
    from headrace.system.threads import start_thread

    threads = [start_thread(f"caller {n}", lambda n=n: app.enqueue("t", {"n": n})) for n in range(10)]
    for thread in threads:
        thread.join(20)
    assert app.counts() == {"default": {State.PENDING: 10}}
