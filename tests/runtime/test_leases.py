"""Leases, crashes and solitude: who may run a job, and who is blamed. In virtual time."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from stand import Stand, settle_loop

from headrace import State
from headrace.model.errors import LeaseLost, StoreBusy
from headrace.runtime.attempts import Attempts
from headrace.runtime.company import Company
from headrace.storage.contract import Demand

pytestmark = pytest.mark.anyio


async def crash(stand: Stand, worker: str = "gone", limit: int = 100, *, alone: bool = False) -> list[Any]:
    """A worker claims, and vanishes."""
    from headrace.model import lifecycle

    storage = await stand.storage()
    await storage.beat(worker, (), 30)
    jobs = await storage.claim(worker, [Demand("default", limit)])
    if alone:
        await storage.apply([lifecycle.stamp_alone(job) for job in jobs])
    await storage.beat(worker, (), 0)
    return list(jobs)


async def test_the_result_of_a_worker_that_lost_its_lease_is_refused_and_the_new_ones_stands(stand: Stand) -> None:
    runs: list[int] = []

    @stand.app.task
    async def slow() -> int:
        runs.append(len(runs) + 1)
        mine = runs[-1]
        await stand.pass_time(100 if mine == 1 else 1)
        return mine

    receipt = await slow.aenqueue()
    async with stand.zombie():
        await stand.pass_time(1)
        async with stand.app.worker():
            assert await stand.app.aresult(receipt, 60) == 2
            await stand.pass_time(100)
    job = await stand.job(receipt)
    assert (job.result, job.attempt, job.crashes) == ("2", 1, 1)
    assert stand.reported(LeaseLost)
    assert runs == [1, 2]


async def test_a_worker_whose_beat_comes_too_late_stops_what_it_lost(stand: Stand) -> None:
    ends: list[str] = []

    @stand.app.task
    async def slow() -> None:
        try:
            await stand.pass_time(1000)
        finally:
            ends.append(asyncio.current_task().get_name())  # type: ignore[union-attr]

    receipt = await slow.aenqueue()
    async with stand.app.worker() as first:
        await stand.pass_time(1)
        storage = await stand.storage()
        await storage.beat("thief", (), 1000)
        await storage.beat(first.id, (), 0)
        taken = await storage.reclaim("thief", 10)
        assert [job.id for job in taken] == [receipt.id]
        await stand.pass_time(11)
        assert len(ends) == 1
        assert first._attempts.idle
    assert stand.reported(LeaseLost)
    job = await stand.job(receipt)
    assert (job.worker, job.state) == ("thief", State.RUNNING)


async def test_a_job_claimed_anew_is_not_taken_for_the_one_that_was_lost(stand: Stand) -> None:
    """The heart looks at what it holds, the job is settled and claimed again, then the storage answers."""
    runs: list[int] = []
    first_ended = asyncio.Event()

    @stand.app.task
    async def twice() -> str:
        runs.append(1)
        if len(runs) == 1:
            await stand.pass_time(10)  # until the beat
            first_ended.set()
            from headrace import Snooze

            raise Snooze(0)
        await stand.pass_time(30)
        return "second"

    receipt = await twice.aenqueue()
    async with stand.app.worker() as worker:
        heart = worker._heart
        assert heart is not None
        beat = heart._storage.beat

        async def slow_beat(worker_id: str, holding: Any, ttl: float) -> Any:
            if holding and not first_ended.is_set():
                await stand.pass_time(2)
            return await beat(worker_id, holding, ttl)

        heart._storage.beat = slow_beat  # type: ignore[method-assign]
        assert await stand.app.aresult(receipt, 120) == "second"
    assert not stand.reported(LeaseLost)


async def test_a_heart_outlives_errors_of_its_storage(stand: Stand) -> None:
    @stand.app.task
    async def slow() -> str:
        await stand.pass_time(100)
        return "done"

    receipt = await slow.aenqueue()
    async with stand.app.worker() as worker:
        heart = worker._heart
        assert heart is not None
        await settle_loop()
        beat, failures = heart._storage.beat, [StoreBusy("jobs.db", 1), ValueError("not even a StoreError")]

        async def sometimes(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return await beat(*arguments)

        heart._storage.beat = sometimes  # type: ignore[method-assign]
        assert await stand.app.aresult(receipt, 120) == "done"
        assert not failures
    assert (await stand.job(receipt)).crashes == 0


async def test_a_crashed_job_runs_again_and_the_crash_is_no_failure(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    receipt = await fine.aenqueue()
    await crash(stand)
    heard = stand.hear()
    job = await stand.final(receipt)
    assert (job.state, job.attempt, job.crashes) == (State.COMPLETED, 1, 1)
    assert [record.outcome for record in job.history] == ["crashed"]
    await stand.app.bus.flush()
    assert [event.id for event in heard][:2] == ["queue.job.rescued", "queue.job.retrying"]


async def test_a_job_that_crashes_alone_beyond_its_budget_is_dead_as_poison(stand: Stand) -> None:
    @stand.app.task
    async def kills() -> None:
        raise AssertionError("ran")

    receipt = await kills.aenqueue()
    heard = stand.hear("queue.job.dead_letter")
    for n in range(3):
        (job,) = await crash(stand, f"w{n}", alone=True)
        async with stand.app.worker(["other"]):  # its rescuer serves all queues
            await stand.pass_time(5)
    job = await stand.job(receipt)
    assert (job.state, job.reason, job.crashes) == (State.DEAD, "poison", 3)
    await stand.app.bus.flush()
    assert [event.reason for event in heard] == ["poison"]


async def test_neighbours_of_a_crash_are_never_blamed(stand: Stand) -> None:
    @stand.app.task
    async def innocent() -> None: ...

    receipts = [await innocent.aenqueue() for _ in range(3)]
    for n in range(10):
        await crash(stand, f"w{n}")
        async with stand.app.worker(["other"]):
            await stand.pass_time(5.5)
        for receipt in receipts:
            if (await stand.job(receipt)).state is State.RETRYING:
                await stand.app.arun_now(receipt)
    assert {(await stand.job(receipt)).crashes for receipt in receipts} == {10}
    async with stand.app.worker():
        jobs = [await stand.app.ajoin(receipt, "2h") for receipt in receipts]
    assert {job.state for job in jobs} == {State.COMPLETED}


async def test_a_crashed_job_waits_until_its_neighbours_finished_and_runs_alone(stand: Stand) -> None:
    running: list[str] = []
    together: list[set[str]] = []
    stamped: list[bool] = []

    @stand.app.task
    async def job(name: str, seconds: float) -> None:
        running.append(name)
        together.append(set(running))
        if name == "suspect":
            stamped.append((await stand.job(suspect)).alone)
        await stand.pass_time(seconds)
        running.remove(name)

    suspect = await job.aenqueue("suspect", 5)
    await crash(stand)
    for n in range(8):
        await job.using(delay=n).aenqueue(f"neighbour {n}", 3)
    async with stand.app.worker({"default": 4}):
        assert (await stand.app.ajoin(suspect, "5m")).state is State.COMPLETED
        await stand.pass_time(60)
    assert [names for names in together if "suspect" in names] == [{"suspect"}]
    assert stamped == [True]
    assert any(len(names) > 1 for names in together)


async def test_workers_of_one_process_give_each_others_crashed_jobs_solitude(stand: Stand) -> None:
    stand.app.company = Company()
    running: list[str] = []
    together: list[set[str]] = []

    @stand.app.task
    async def job(name: str, seconds: float) -> None:
        running.append(name)
        together.append(set(running))
        await stand.pass_time(seconds)
        running.remove(name)

    suspects = [await job.aenqueue(f"suspect {n}", 5) for n in range(2)]
    await crash(stand)
    for n in range(40):
        await job.using(delay=n / 2, queue=("default", "other")[n % 2]).aenqueue(f"neighbour {n}", 3)
    async with stand.app.worker({"default": 4}), stand.app.worker({"default": 1, "other": 4}):
        for suspect in suspects:
            assert (await stand.app.ajoin(suspect, "5m")).state is State.COMPLETED
        await stand.pass_time(60)
    beside = [names for names in together if any(name.startswith("suspect") for name in names)]
    assert sorted(map(sorted, beside)) == [["suspect 0"], ["suspect 1"]]
    assert any(len(names) > 4 for names in together), "both workers were at work"
    assert len(together) == 42
    assert {record.outcome for suspect in suspects for record in (await stand.job(suspect)).history} == {"crashed"}


async def test_a_worker_that_ends_leaves_no_claim_to_solitude_behind(stand: Stand) -> None:
    stand.app.company = Company()

    @stand.app.task
    async def job(seconds: float) -> None:
        await stand.pass_time(seconds)

    suspect = await job.aenqueue(1)
    await crash(stand)
    endless = await job.using(queue="other").aenqueue(1000)
    async with stand.app.worker(["other"]):
        async with stand.app.worker(["default"]) as asking:
            while not ((job_now := await stand.job(suspect)).crashes and job_now.state is State.RUNNING):
                await stand.pass_time(1)
            await asking.stop(0)  # while it waits for the other's endless job to end
        assert (await stand.job(suspect)).state is State.PENDING
        quick = await job.using(queue="other").aenqueue(1)
        assert (await stand.app.ajoin(quick, "10s")).state is State.COMPLETED
        assert (await stand.job(endless)).state is State.RUNNING
    async with stand.app.worker(["default"]):
        assert (await stand.app.ajoin(suspect, "1m")).state is State.COMPLETED


def test_a_company_lets_one_ask_and_the_others_wait() -> None:
    company = Company()
    one, two = (Attempts({"default": 4}, lambda _: None) for _ in range(2))
    for attempts in (one, two):
        company.join(attempts)
    assert company.begin_claim(two)
    assert not company.ask(one), "the other is about to begin something"
    assert not company.begin_claim(two)
    company.end_claim(two)
    two.running = 1
    assert not company.ask(one)
    two.running = 0
    assert company.ask(one)
    assert not company.ask(two), "the first that asked has it"
    company.release(two)
    assert company.ask(one)
    company.release(one)
    assert company.ask(two)
    company.leave(two)
    assert company.begin_claim(one)


def test_what_has_run_and_is_not_recorded_is_company() -> None:
    company = Company()
    attempts = Attempts({"default": 4}, lambda _: None)
    company.join(attempts)
    done: Any = SimpleNamespace(job=SimpleNamespace(id="done", queue="default"), ended=False)
    attempts.start(done)
    assert not company.ask(attempts)
    attempts.end(done)
    assert not company.ask(attempts), "a crash now would be counted as that of what is done"
    attempts.settle(done)
    assert company.ask(attempts)


def test_after_a_fork_the_parents_workers_are_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    company = Company()
    parents, own = (Attempts({"default": 4}, lambda _: None) for _ in range(2))
    company.join(parents)
    parents.running = 3
    assert not company.ask(parents)
    monkeypatch.setattr("os.getpid", lambda: -1)
    company.join(own)
    assert company.ask(own)


async def test_without_solitude_for_a_lease_a_crashed_job_goes_back_unharmed(stand: Stand) -> None:
    started: list[str] = []

    @stand.app.task
    async def job(name: str, seconds: float) -> None:
        started.append(name)
        await stand.pass_time(seconds)

    suspect = await job.aenqueue("suspect", 1)
    await crash(stand)
    async with stand.app.worker(["other"]):
        await stand.pass_time(1)
    assert (await stand.job(suspect)).state is State.RETRYING
    await job.aenqueue("endless", 500)
    async with stand.app.worker({"default": 4}):
        await stand.pass_time(35)
        back = await stand.job(suspect)
        assert (back.state, back.reason, back.attempt) == (State.SCHEDULED, "awaits_solitude", 0)
        assert "suspect" not in started
        assert (await stand.app.ajoin(suspect, "20m")).state is State.COMPLETED


async def test_cancelled_jobs_of_a_vanished_worker_are_cancelled(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None:
        raise AssertionError("ran")

    receipt = await fine.aenqueue()
    await crash(stand)
    await stand.app.acancel(receipt)
    job = await stand.final(receipt)
    assert job.state is State.CANCELLED


async def test_no_job_is_lost_or_run_by_two_where_workers_come_and_go(stand: Stand) -> None:
    counts: dict[int, int] = {}

    @stand.app.task
    async def counted(n: int) -> None:
        await stand.pass_time(0.2)
        counts[n] = counts.get(n, 0) + 1

    for n in range(200):
        await counted.aenqueue(n)
    async with stand.app.worker({"default": 3}):
        for _ in range(10):
            async with stand.app.worker({"default": 3}) as other:
                await stand.pass_time(0.3)
                other.hurry()
        while await stand.app.apending_count() + await stand.app.ainflight_count():
            await stand.pass_time(1)
    assert counts == dict.fromkeys(range(200), 1)
