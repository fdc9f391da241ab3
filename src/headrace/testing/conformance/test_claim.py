"""Claim: what a claimed row is, who gets how many, due times, pause and ceilings."""

import pytest

from headrace.model import lifecycle
from headrace.model.change import claimed, inserted
from headrace.model.outcome import Snoozed
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, LEASE, Stage

MILLISECOND = 0.001


class TestClaim(Family):
    async def test_the_row_is_the_one_that_the_model_says(self, stage: Stage) -> None:
        new = stage.new(key="k", priority=3)
        await stage.storage.insert([new])
        before = inserted(new, stage.clock.wall())
        stage.clock.advance(3)
        (job,) = await stage.claim("worker-1")
        assert job == claimed(before, "worker-1", stage.clock.wall())
        assert (job.state, job.attempt, job.generation, job.worker) == (State.RUNNING, 1, 1, "worker-1")
        assert await stage.job(new.id) == job

    async def test_attempt_and_generation_rise_with_every_claim(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.settle(job, FAILED)
        stage.clock.advance(5)
        (again,) = await stage.claim("w2")
        assert (again.attempt, again.generation, again.worker) == (2, 2, "w2")
        assert again.started_at == stage.clock.wall()

    async def test_alone_is_cleared(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.apply(lifecycle.stamp_alone(job))
        await stage.apply(lifecycle.hand_back(job))
        (again,) = await stage.claim()
        assert not again.alone

    async def test_no_job_goes_out_twice(self, stage: Stage) -> None:
        await stage.enqueue()
        assert len(await stage.claim("w1")) == 1
        assert list(await stage.claim("w2")) == []
        assert list(await stage.claim("w1")) == []

    async def test_running_rows_are_never_touched(self, stage: Stage) -> None:
        job = await stage.abandoned()
        stage.clock.advance(LEASE * 100)
        assert list(await stage.claim()) == []
        assert await stage.job(job.id) == job

    async def test_final_rows_are_never_touched(self, stage: Stage) -> None:
        dead, done = await stage.dead(), await stage.finished()
        cancelled = await stage.job(await stage.enqueue())
        await stage.apply(lifecycle.cancel(cancelled))
        stage.clock.advance(86_400)
        assert list(await stage.claim()) == []
        assert [await stage.job(job.id) for job in (dead, done)] == [dead, done]

    @pytest.mark.parametrize("limit", [0, 1, 3])
    async def test_at_most_the_limit(self, stage: Stage, limit: int) -> None:
        ids = [await stage.enqueue() for _ in range(5)]
        assert [job.id for job in await stage.claim(limit=limit)] == ids[:limit]
        assert await stage.number(State.PENDING) == 5 - limit

    async def test_each_queue_by_its_own_limit(self, stage: Stage) -> None:
        for queue in "abc":
            for _ in range(3):
                await stage.enqueue(queue=queue)
        await stage.beat()
        jobs = await stage.storage.claim("w", [Demand("a", 2), Demand("unknown", 5), Demand("b", 1)])
        assert sorted(job.queue for job in jobs) == ["a", "a", "b"]
        assert await stage.storage.count() == {
            ("a", State.RUNNING): 2,
            ("a", State.PENDING): 1,
            ("b", State.RUNNING): 1,
            ("b", State.PENDING): 2,
            ("c", State.PENDING): 3,
        }

    async def test_no_demands_no_jobs(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.beat()
        assert list(await stage.storage.claim("w", [])) == []

    async def test_queue_names_are_exact(self, stage: Stage) -> None:
        await stage.enqueue(queue="email")
        for queue in ("Email", "email ", "emai_", "e%", ""):
            assert list(await stage.claim(queue=queue)) == []

    async def test_a_worker_without_a_lease_gets_none(self, stage: Stage) -> None:
        await stage.enqueue()
        assert list(await stage.storage.claim("w", [Demand("q", 1)])) == []

    async def test_a_worker_whose_lease_has_run_out_gets_none(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.beat("w")
        stage.clock.advance(LEASE)
        assert list(await stage.storage.claim("w", [Demand("q", 1)])) == []

    async def test_a_worker_gets_jobs_to_the_last_millisecond_of_its_lease(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.beat("w")
        stage.clock.advance(LEASE - MILLISECOND)
        assert len(await stage.storage.claim("w", [Demand("q", 1)])) == 1

    async def test_a_worker_that_ended_gets_none(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.beat("w")
        await stage.beat("w", ttl=0)
        assert list(await stage.storage.claim("w", [Demand("q", 1)])) == []


class TestDue(Family):
    async def test_never_a_millisecond_early(self, stage: Stage) -> None:
        job_id = await stage.enqueue(delay=5.0)
        stage.clock.advance(5 - MILLISECOND)
        assert list(await stage.claim()) == []
        assert (await stage.job(job_id)).state is State.SCHEDULED
        stage.clock.advance(MILLISECOND)
        assert [job.id for job in await stage.claim()] == [job_id]

    async def test_retrying_jobs_wait_for_their_due_time(self, stage: Stage) -> None:
        retrying = await stage.settle(await stage.running(), FAILED)
        assert retrying.due_at == stage.clock.wall() + 1000
        stage.clock.advance(1 - MILLISECOND)
        assert list(await stage.claim()) == []
        stage.clock.advance(MILLISECOND)
        assert [job.id for job in await stage.claim()] == [retrying.id]

    async def test_snoozed_jobs_wait_for_their_due_time(self, stage: Stage) -> None:
        snoozed = await stage.settle(await stage.running(), Snoozed(7.0))
        stage.clock.advance(7 - MILLISECOND)
        assert list(await stage.claim()) == []
        stage.clock.advance(MILLISECOND)
        (job,) = await stage.claim()
        assert (job.id, job.attempt) == (snoozed.id, 1)

    async def test_due_ones_become_pending_later_ones_do_not(self, stage: Stage) -> None:
        for delay in (1.0, 2.0, 3.0, 10.0):
            await stage.enqueue(delay=delay)
        stage.clock.advance(3)
        assert len(await stage.claim(limit=1)) == 1
        assert await stage.number(State.PENDING) == 2
        assert await stage.number(State.SCHEDULED) == 1

    async def test_other_queues_stay_as_they_are(self, stage: Stage) -> None:
        job_id = await stage.enqueue(delay=1.0, queue="other")
        stage.clock.advance(5)
        await stage.claim()
        assert (await stage.job(job_id)).state is State.SCHEDULED

    async def test_however_many_are_due_all_are_claimed_in_the_end(self, stage: Stage) -> None:
        news = [stage.new(delay=1.0 + number % 7) for number in range(2_500)]
        await stage.storage.insert(news)
        stage.clock.advance(10)
        claimed_ids: set[str] = set()
        for _ in range(20):
            claimed_ids.update(job.id for job in await stage.claim(limit=500))
        assert claimed_ids == {new.id for new in news}
        assert await stage.storage.count() == {("q", State.RUNNING): 2_500}

    async def test_a_wall_clock_that_is_set_back_starts_nothing_early(self, stage: Stage) -> None:
        await stage.enqueue(delay=60.0)
        stage.clock.step_wall(-3_600)
        stage.clock.advance(59)
        assert list(await stage.claim()) == []


class TestControl(Family):
    async def test_a_paused_queue_gives_none(self, stage: Stage) -> None:
        job_id = await stage.enqueue()
        await stage.enqueue(queue="other")
        await stage.control('{"paused":true}')
        assert list(await stage.claim()) == []
        assert len(await stage.claim(queue="other")) == 1
        await stage.control('{"paused":false}')
        assert [job.id for job in await stage.claim()] == [job_id]

    async def test_a_pause_ends_with_its_record(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.control('{"paused":true}', ttl=10.0)
        stage.clock.advance(10 - MILLISECOND)
        assert list(await stage.claim()) == []
        stage.clock.advance(MILLISECOND)
        assert len(await stage.claim()) == 1

    async def test_never_above_the_ceiling_over_all_workers(self, stage: Stage) -> None:
        await stage.control('{"concurrency":3}')
        for _ in range(6):
            await stage.enqueue()
        assert len(await stage.claim("w1", limit=2)) == 2
        assert len(await stage.claim("w2", limit=5)) == 1
        assert list(await stage.claim("w3")) == []
        assert await stage.number(State.RUNNING) == 3

    async def test_a_settled_job_gives_its_place_back(self, stage: Stage) -> None:
        await stage.control('{"concurrency":1}')
        first = await stage.running()
        await stage.enqueue()
        assert list(await stage.claim()) == []
        await stage.settle(first)
        assert len(await stage.claim()) == 1

    async def test_a_place_is_kept_until_reclaimed_and_settled(self, stage: Stage) -> None:
        await stage.control('{"concurrency":1}')
        await stage.abandoned()
        await stage.enqueue()
        assert list(await stage.claim()) == []
        (rescued,) = await stage.storage.reclaim("w", 10)
        assert list(await stage.claim()) == []
        await stage.apply(lifecycle.lapse(rescued, 0.5))
        assert len(await stage.claim()) == 1

    async def test_a_lowered_ceiling_holds_until_enough_have_ended(self, stage: Stage) -> None:
        for _ in range(5):
            await stage.enqueue()
        running = await stage.claim(limit=3)
        await stage.control('{"concurrency":2}')
        await stage.settle(running[0])
        assert list(await stage.claim()) == []
        await stage.settle(running[1])
        assert len(await stage.claim()) == 1

    async def test_a_ceiling_of_zero_gives_none(self, stage: Stage) -> None:
        await stage.enqueue()
        await stage.control('{"concurrency":0}')
        assert list(await stage.claim()) == []

    async def test_demands_of_one_queue_count_together(self, stage: Stage) -> None:
        await stage.control('{"concurrency":3}')
        for _ in range(6):
            await stage.enqueue()
        await stage.beat()
        assert len(await stage.storage.claim("w", [Demand("q", 2), Demand("q", 2)])) == 3

    async def test_the_ceiling_is_the_queues_own(self, stage: Stage) -> None:
        await stage.control('{"concurrency":1}')
        for queue in ("q", "q", "other", "other"):
            await stage.enqueue(queue=queue)
        await stage.beat()
        assert len(await stage.storage.claim("w", [Demand("q", 5), Demand("other", 5)])) == 3
