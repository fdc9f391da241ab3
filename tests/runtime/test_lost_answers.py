"""A claim or a rescue whose answer is lost: nobody knows of the jobs that it took, and they run all the same."""

from typing import Any

import pytest
from stand import Stand

from headrace import Headrace, State
from headrace.interface.handles import Handles
from headrace.model.errors import LeaseLost, StoreUnreachable
from headrace.storage.contract import Demand, Filter
from headrace.testing.failing import FailingStorage, Fault, Faults

pytestmark = pytest.mark.anyio

LOST = Fault(lambda: StoreUnreachable("there", "the line is cut"), applied=True)
REFUSED = Fault(lambda: StoreUnreachable("there", "no route"))
BROKEN = Fault(lambda: RuntimeError("unforeseen"), applied=True)


def fail_on(app: Headrace) -> Faults:
    """The faults that this app's storage meets from now on."""
    faults = Faults()
    make = app._make_storage
    app.handles = Handles(lambda: FailingStorage(make(), faults), app.declare)
    return faults


@pytest.fixture
def faults(stand: Stand) -> Faults:
    return fail_on(stand.app)


@pytest.fixture
def runs(stand: Stand) -> list[int]:
    """What ``work`` was run with."""
    made: list[int] = []

    async def work(number: int) -> int:
        made.append(number)
        return number

    stand.app.task(name="work")(work)
    return made


async def joined(stand: Stand, *receipts: Any) -> list[tuple[State, int, int]]:
    """State, attempts and crashes of each, once it is final."""
    jobs = [await stand.app.ajoin(receipt, 200) for receipt in receipts]
    return [(job.state, job.attempt, job.crashes) for job in jobs]


@pytest.mark.parametrize("fault", [LOST, BROKEN])
async def test_jobs_of_a_claim_whose_answer_was_lost_run_while_the_worker_lives(
    stand: Stand, faults: Faults, runs: list[int], fault: Fault
) -> None:
    receipts = [await stand.app.aenqueue("work", {"number": number}) for number in range(3)]
    faults.fail_next("claim", fault)
    async with stand.app.worker({"default": 3}):
        assert await joined(stand, *receipts) == [(State.COMPLETED, 1, 0)] * 3
    assert sorted(runs) == [0, 1, 2]
    assert stand.now < 1_000 + 10  # before the lease of any other worker would have run out


async def test_jobs_of_a_lost_claim_run_though_the_store_fails_for_a_while_longer(
    stand: Stand, faults: Faults, runs: list[int]
) -> None:
    receipt = await stand.app.aenqueue("work", {"number": 1})
    faults.fail_next("claim", LOST, REFUSED, LOST)
    faults.fail_next("find", REFUSED, REFUSED)
    faults.fail_next("apply", REFUSED)
    async with stand.app.worker({"default": 1}):
        assert await joined(stand, receipt) == [(State.COMPLETED, 1, 0)]
    assert runs == [1]


async def test_a_claim_that_is_applied_after_it_failed_is_found_a_lease_later(
    stand: Stand, faults: Faults, runs: list[int]
) -> None:
    """On its way for so long that the first look finds nothing yet."""
    async with stand.app.worker({"default": 1}) as worker:
        storage = await stand.storage()
        faults.fail_next("claim", REFUSED)
        await stand.pass_time(5)
        await stand.app.apause("default")
        receipt = await stand.app.aenqueue("work", {"number": 1})
        await stand.pass_time(5)
        await stand.app.aresume("default")
        await storage._inner.claim(worker.id, [Demand("default", 1)])
        assert await joined(stand, receipt) == [(State.COMPLETED, 1, 0)]
    assert runs == [1]


async def test_what_runs_and_what_waits_is_not_handed_back(stand: Stand, faults: Faults) -> None:
    """The look happens while one job runs and one of an unknown task is on its way back."""
    starts: list[int] = []

    async def slow(number: int) -> None:
        starts.append(number)
        await stand.pass_time(100)

    stand.app.task(name="slow")(slow)
    first = await stand.app.aenqueue("slow", {"number": 1})
    async with stand.app.worker({"default": 3}):
        await stand.pass_time(1)
        faults.fail_next("claim", LOST)
        second = await stand.app.aenqueue("slow", {"number": 2})
        assert await joined(stand, first, second) == [(State.COMPLETED, 1, 0)] * 2
    assert starts == [1, 2]
    assert not stand.reported(LeaseLost)


async def test_a_worker_that_stops_hands_back_what_it_did_not_know_of(
    stand: Stand, faults: Faults, runs: list[int]
) -> None:
    receipt = await stand.app.aenqueue("work", {"number": 1})
    faults.fail_next("claim", LOST)
    async with stand.app.worker({"default": 1}):
        while "claim" not in faults.met:
            await stand.pass_time(0.001)
    job = await stand.job(receipt)
    assert (job.state, job.attempt, job.crashes) == (State.PENDING, 0, 0)
    assert runs == []


async def test_a_job_whose_cancel_is_wanted_meanwhile_ends_cancelled(
    stand: Stand, faults: Faults, runs: list[int]
) -> None:
    receipt = await stand.app.aenqueue("work", {"number": 1})
    faults.fail_next("claim", LOST)
    faults.fail_next("find", *[REFUSED] * 3)
    async with stand.app.worker({"default": 1}):
        while "claim" not in faults.met:
            await stand.pass_time(0.001)
        await stand.app.acancel(receipt)
        assert await joined(stand, receipt) == [(State.CANCELLED, 0, 0)]
    assert runs == []


@pytest.mark.parametrize("fault", [LOST, BROKEN])
@pytest.mark.parametrize("operation", ["reclaim", "apply"])
async def test_jobs_of_a_rescue_that_failed_half_way_run_while_the_rescuer_lives(
    stand: Stand, faults: Faults, runs: list[int], operation: str, fault: Fault
) -> None:
    receipts = [await stand.app.aenqueue("work", {"number": number}) for number in range(2)]
    storage = await stand.storage()
    await storage.beat("gone", (), 30)
    await storage.claim("gone", [Demand("default", 2)])
    await storage.beat("gone", (), 0)
    faults.fail_next(operation, fault if operation == "reclaim" else REFUSED)
    async with stand.app.worker({"default": 2}):
        assert await joined(stand, *receipts) == [(State.COMPLETED, 1, 1)] * 2
    assert sorted(runs) == [0, 1]
    assert stand.now < 1_000 + 30


async def test_a_lonely_job_whose_permits_can_not_be_had_goes_back_once(stand: Stand, faults: Faults) -> None:
    """It is not run and handed back at the same time."""
    starts: list[float] = []

    async def limited() -> None:
        starts.append(stand.now)
        await stand.pass_time(20)

    stand.app.limit("slack", rate="10/s", burst=10)
    stand.app.task(name="limited", limits=["slack"])(limited)
    receipt = await stand.app.aenqueue("limited", {})
    storage = await stand.storage()
    await storage.beat("gone", (), 30)
    await storage.claim("gone", [Demand("default", 1)])
    await storage.beat("gone", (), 0)
    async with stand.app.worker({"default": 1}) as worker:
        gate = worker._producer._gate
        admit = gate.admit

        async def failing_admit(jobs: Any, *, alone: bool = False) -> Any:
            if alone and not faults.met:
                faults.fail_next("records", REFUSED)
            return await admit(jobs, alone=alone)

        async def slow_apply(changes: Any) -> Any:
            if any(change.patch.reason == "interrupted" for change in changes):
                await stand.pass_time(5)
            return await apply(changes)

        apply = storage.apply
        gate.admit, storage.apply = failing_admit, slow_apply  # type: ignore[method-assign]
        assert await joined(stand, receipt) == [(State.COMPLETED, 1, 1)]
    assert faults.met == ["records"]
    assert len(starts) == 1
    assert not stand.reported(LeaseLost)


async def test_a_completion_whose_answer_was_lost_is_told_of_as_one(
    stand: Stand, faults: Faults, runs: list[int]
) -> None:
    completed, retrying = stand.hear("queue.job.completed"), stand.hear("queue.job.retrying")

    async def fails() -> None:
        raise ValueError

    stand.app.task(name="fails")(fails)
    receipts = [await stand.app.aenqueue("work", {"number": 1}), await stand.app.aenqueue("fails", {})]
    faults.fail_next("apply", LOST, LOST)
    async with stand.app.worker({"default": 2}):
        await stand.pass_time(0.9)
        await stand.app.bus.flush()
        assert [event.job_id for event in completed] == [receipts[0].id]
        assert [event.job_id for event in retrying] == [receipts[1].id]
    assert not stand.reported(LeaseLost)


async def test_without_an_error_nothing_is_looked_for(stand: Stand, faults: Faults, runs: list[int]) -> None:
    async with stand.app.worker({"default": 1}):
        receipt = await stand.app.aenqueue("work", {"number": 1})
        await stand.app.ajoin(receipt, 60)
        before = faults.calls.count("find")
        await stand.pass_time(100)
    assert faults.calls.count("find") == before
    assert not (await (await stand.storage()).find(Filter(worker=""), limit=1)).jobs
