"""A job can be stopped in every state, and how soon. In virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from stand import Stand, settle_loop

from headrace import CancelOutcome, Job, RetryPolicy, Snooze, State, Throttled
from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.outcome import Failure, Raised
from headrace.storage.contract import Demand

pytestmark = pytest.mark.anyio


async def crash(stand: Stand, worker: str = "gone") -> None:
    """A worker claims what is due, and vanishes; the back-off passes."""
    storage = await stand.storage()
    await storage.beat(worker, (), 30)
    await storage.claim(worker, [Demand("default", 100)])
    await storage.beat(worker, (), 0)
    async with stand.app.worker(["nothing"]):
        await stand.pass_time(6)


async def leave_a_wish(stand: Stand, receipt: Any) -> Job:
    """It waits again, and carries the wish of somebody whom its worker did not hear in time."""
    storage = await stand.storage()
    await storage.beat("deaf", (), 30)
    (job,) = await storage.claim("deaf", [Demand("default", 1)])
    assert await stand.app.acancel(receipt) is CancelOutcome.REQUESTED
    await storage.apply([lifecycle.settle(job, Raised(Failure("E", "no")), RetryPolicy.fixed(9, 0), 0.5)])
    waiting = await stand.job(receipt)
    assert (waiting.state, waiting.cancel_requested) == (State.RETRYING, True)
    return waiting


async def test_a_job_that_waits_to_run_alone_is_cancelled_while_its_neighbours_go_on(stand: Stand) -> None:
    started: list[str] = []

    @stand.app.task
    async def works(name: str) -> None:
        started.append(name)
        await stand.pass_time(25)

    suspect = await works.aenqueue("suspect")
    await crash(stand)
    neighbour = await works.aenqueue("neighbour")
    heard = stand.hear("queue.job.cancelled", "queue.job.started")
    async with stand.app.worker({"default": 4}):
        await stand.pass_time(2)
        assert (await stand.job(suspect)).state is State.RUNNING
        assert started == ["neighbour"]
        assert await stand.app.acancel(suspect) is CancelOutcome.REQUESTED
        asked = stand.now
        job = await stand.app.ajoin(suspect, 10)
        assert stand.now - asked < 0.1
        assert (job.state, job.attempts[-1].outcome) == (State.CANCELLED, "cancelled")
        assert (await stand.job(neighbour)).state is State.RUNNING
        assert (await stand.app.ajoin(neighbour, 60)).state is State.COMPLETED
    assert started == ["neighbour"]
    await stand.app.bus.flush()
    assert [event.job_id for event in heard] == [neighbour.id, suspect.id]


async def test_one_that_is_cancelled_at_the_moment_it_may_run_alone_never_starts(stand: Stand) -> None:
    started: list[str] = []

    @stand.app.task
    async def works() -> None:
        started.append("ran")
        await stand.pass_time(1000)

    suspect = await works.aenqueue()
    await crash(stand)
    storage = await stand.storage()
    real, stamping, release = storage.apply, asyncio.Event(), asyncio.Event()

    async def slowly(changes: Sequence[Change]) -> Any:
        if changes[0].patch.alone:
            stamping.set()
            await release.wait()
        return await real(changes)

    storage.apply = slowly
    async with stand.app.worker() as worker:
        await stamping.wait()
        await stand.app.acancel(suspect)
        worker._attempts.cancel([suspect.id])
        release.set()
        assert (await stand.app.ajoin(suspect, 10)).state is State.CANCELLED
        await settle_loop()
    assert started == []


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize("known", [True, False])
async def test_a_wish_that_came_too_late_for_one_attempt_ends_the_job_at_its_next_claim(
    stand: Stand, known: bool, crashed: bool
) -> None:
    async def never() -> None:
        raise AssertionError("ran")

    if known:
        stand.app.task(name="never")(never)
    receipt = await stand.app.aenqueue("never", key="k")
    if crashed:
        await crash(stand)
    await leave_a_wish(stand, receipt)
    heard = stand.hear()
    job = await stand.final(receipt, 10)
    assert (job.state, job.reason, job.cancel_requested) == (State.CANCELLED, "cancelled", False)
    await stand.app.bus.flush()
    assert [event.id for event in heard] == ["queue.job.cancelled"]
    assert not (await stand.app.aenqueue("never", key="k")).duplicate


@pytest.mark.parametrize("wish", [Snooze("1h"), Throttled("1h")])
async def test_a_handler_that_is_told_to_stop_can_not_put_it_off(stand: Stand, wish: Exception) -> None:
    @stand.app.task
    async def evades() -> None:
        try:
            await stand.pass_time(1000)
        except asyncio.CancelledError:
            raise wish from None

    receipt = await evades.aenqueue()
    async with stand.app.worker():
        await stand.pass_time(1)
        await stand.app.acancel(receipt)
        assert (await stand.app.ajoin(receipt, 10)).state is State.CANCELLED


async def test_in_every_waiting_state_it_is_cancelled_at_once(stand: Stand) -> None:
    @stand.app.task(name="snoozes")
    async def snoozes() -> None:
        raise Snooze("1h")

    @stand.app.task(name="throttled")
    async def throttled() -> None:
        raise Throttled("1h")

    @stand.app.task(name="fails", retry=RetryPolicy.fixed(3, "1h"))
    async def fails() -> None:
        raise ValueError

    receipts = {task.name: await task.aenqueue() for task in (snoozes, throttled, fails)}
    receipts |= {"unknown": await stand.app.aenqueue("unknown")}
    receipts |= {"delayed": await snoozes.using(delay="1h").aenqueue()}
    async with stand.app.worker():
        await stand.pass_time(0.5)
        states = {name: (await stand.job(receipt)).reason for name, receipt in receipts.items()}
        assert states == {
            "snoozes": "snoozed",
            "throttled": "throttled",
            "fails": "failed",
            "unknown": "unknown_task",
            "delayed": None,
        }
        for receipt in receipts.values():
            assert await stand.app.acancel(receipt) is CancelOutcome.CANCELLED
            assert (await stand.job(receipt)).state is State.CANCELLED
        await stand.pass_time(7200)
    assert {(await stand.job(receipt)).state for receipt in receipts.values()} == {State.CANCELLED}


async def test_a_job_that_waits_for_solitude_elsewhere_is_cancelled_at_once(stand: Stand) -> None:
    @stand.app.task
    async def works(seconds: float) -> None:
        await stand.pass_time(seconds)

    suspect = await works.aenqueue(1)
    await crash(stand)
    await works.aenqueue(500)
    async with stand.app.worker({"default": 4}):
        await stand.pass_time(35)
        assert (await stand.job(suspect)).reason == "awaits_solitude"
        assert await stand.app.acancel(suspect) is CancelOutcome.CANCELLED


# --- how soon ---------------------------------------------------------------------------------------------------------


async def test_in_one_process_a_join_and_a_cancel_take_no_time(stand: Stand) -> None:
    ended: list[float] = []

    @stand.app.task
    async def works(seconds: float) -> None:
        try:
            await stand.pass_time(seconds)
        finally:
            ended.append(stand.now)

    async with stand.app.worker({"default": 10}):
        for n in range(20):
            await stand.app.ajoin(await works.aenqueue(3 + n * 0.13), 60)
            assert stand.now - ended[-1] < 0.001
            receipt = await works.aenqueue(1000)
            await stand.pass_time(2 + n * 0.13)
            asked = stand.now
            await stand.app.acancel(receipt)
            assert (await stand.app.ajoin(receipt, 10)).state is State.CANCELLED
            assert stand.now - asked < 0.001


# --- without notices --------------------------------------------------------------------------------------------------


async def silence(stand: Stand) -> None:
    """Every notice is lost from now on."""
    (await stand.storage())._store.notices.tell = lambda topics: None


async def test_by_polling_alone_a_join_takes_a_second_at_most(stand: Stand) -> None:
    await silence(stand)
    ended: list[float] = []

    @stand.app.task
    async def works(seconds: float) -> None:
        await stand.pass_time(seconds)
        ended.append(stand.now)

    async with stand.app.worker({"default": 10}):
        for n in range(20):
            await stand.app.ajoin(await works.aenqueue(3 + n * 0.13), 60)
            assert stand.now - ended[-1] <= 1.001


async def test_by_polling_alone_a_cancel_takes_two_seconds_at_most(stand: Stand) -> None:
    await silence(stand)

    @stand.app.task
    async def works() -> None:
        await stand.pass_time(1000)

    async with stand.app.worker({"default": 10}):
        for n in range(20):
            receipt = await works.aenqueue()
            await stand.pass_time(2 + n * 0.13)
            assert (await stand.job(receipt)).state is State.RUNNING
            asked = stand.now
            assert await stand.app.acancel(receipt) is CancelOutcome.REQUESTED
            assert (await stand.app.ajoin(receipt, 10)).state is State.CANCELLED
            assert stand.now - asked <= 2.001


# --- claims by hand ---------------------------------------------------------------------------------------------------


async def test_a_claim_that_is_given_back_is_cancelled_where_somebody_wants_it_stopped(stand: Stand) -> None:
    receipt = await stand.app.aenqueue("by.hand", key="k")
    heard = stand.hear("queue.job.cancelled", "queue.job.failed", "queue.job.retrying")
    (claim,) = await stand.app.aclaim()
    assert await stand.app.acancel(receipt) is CancelOutcome.REQUESTED
    await stand.app.anack(claim, ValueError("no"))
    job = await stand.job(receipt)
    assert (job.state, job.last_error) == (State.CANCELLED, "ValueError: no")
    await stand.app.bus.flush()
    assert [event.id for event in heard] == ["queue.job.cancelled"]
    assert not (await stand.app.aenqueue("by.hand", key="k")).duplicate


async def test_a_claim_that_is_finished_all_the_same_is_completed(stand: Stand) -> None:
    receipt = await stand.app.aenqueue("by.hand")
    (claim,) = await stand.app.aclaim()
    await stand.app.acancel(receipt)
    await stand.app.aack(claim, 1)
    assert await stand.app.aresult(receipt, 1) == 1


async def test_claims_by_hand_end_jobs_that_carry_a_wish_and_take_others(stand: Stand) -> None:
    unwanted = await stand.app.aenqueue("by.hand", {"n": 0}, priority=1)
    await leave_a_wish(stand, unwanted)
    wanted = await stand.app.aenqueue("by.hand", {"n": 1})
    assert [claim.id for claim in await stand.app.aclaim()] == [wanted.id]
    assert (await stand.job(unwanted)).state is State.CANCELLED
    assert not await stand.app.aclaim()


async def test_a_claim_that_vanished_is_cancelled_by_the_next_one(stand: Stand) -> None:
    receipt = await stand.app.aenqueue("by.hand")
    await stand.app.aclaim(lease=5)
    await stand.app.acancel(receipt)
    await stand.pass_time(6)
    assert not await stand.app.aclaim()
    assert (await stand.job(receipt)).state is State.CANCELLED
