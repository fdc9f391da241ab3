"""Reclaim: jobs whose worker is gone pass to exactly one rescuer."""

import pytest

from headrace.model import lifecycle
from headrace.model.change import reclaimed
from headrace.model.state import RUNNING, State
from headrace.storage.contract import Filter
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, LEASE, Stage


class TestReclaim(Family):
    async def test_the_row_is_the_one_that_the_model_says(self, stage: Stage) -> None:
        job = await stage.abandoned(key="k")
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        assert taken == reclaimed(job, "rescuer")
        assert (taken.state, taken.generation, taken.attempt) == (State.RUNNING, 2, 1)
        assert taken.rescued
        assert await stage.job(job.id) == taken

    @pytest.mark.parametrize("alone", [False, True])
    async def test_alone_is_kept(self, stage: Stage, alone: bool) -> None:
        job = await stage.running("gone")
        if alone:
            await stage.apply(lifecycle.stamp_alone(job))
        await stage.beat("gone", ttl=0)
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        assert taken.alone is alone

    async def test_each_to_exactly_one_caller(self, stage: Stage) -> None:
        await stage.abandoned()
        await stage.beat("r1", "r2")
        assert len(await stage.storage.reclaim("r1", 10)) == 1
        assert list(await stage.storage.reclaim("r2", 10)) == []
        assert list(await stage.storage.reclaim("r1", 10)) == []

    @pytest.mark.parametrize("limit", [0, 1, 3])
    async def test_at_most_the_limit(self, stage: Stage, limit: int) -> None:
        for _ in range(4):
            await stage.enqueue()
        await stage.claim("gone")
        await stage.beat("gone", ttl=0)
        await stage.beat("rescuer")
        assert len(await stage.storage.reclaim("rescuer", limit)) == limit
        assert len(await stage.storage.reclaim("rescuer", 10)) == 4 - limit

    async def test_jobs_of_living_workers_stay(self, stage: Stage) -> None:
        kept = await stage.running("alive")
        gone = await stage.abandoned()
        await stage.beat("rescuer")
        assert [job.id for job in await stage.storage.reclaim("rescuer", 10)] == [gone.id]
        assert await stage.job(kept.id) == kept

    async def test_only_running_jobs(self, stage: Stage) -> None:
        await stage.settle(await stage.running("gone"))
        await stage.settle(await stage.running("gone"), FAILED)
        await stage.apply(lifecycle.hand_back(await stage.running("gone")))
        await stage.beat("gone", ttl=0)
        await stage.beat("rescuer")
        assert list(await stage.storage.reclaim("rescuer", 10)) == []

    async def test_queues_choose(self, stage: Stage) -> None:
        first = await stage.running("gone", queue="a")
        second = await stage.running("gone", queue="b")
        await stage.beat("gone", ttl=0)
        await stage.beat("rescuer")
        assert list(await stage.storage.reclaim("rescuer", 10, [])) == []
        assert list(await stage.storage.reclaim("rescuer", 10, ["c"])) == []
        assert [job.id for job in await stage.storage.reclaim("rescuer", 10, ["b", "c"])] == [second.id]
        assert [job.id for job in await stage.storage.reclaim("rescuer", 10)] == [first.id]

    async def test_a_caller_without_a_living_lease_gets_none(self, stage: Stage) -> None:
        await stage.abandoned()
        assert list(await stage.storage.reclaim("stranger", 10)) == []
        await stage.beat("late")
        stage.clock.advance(LEASE)
        assert list(await stage.storage.reclaim("late", 10)) == []
        assert list(await stage.storage.reclaim("gone", 10)) == []

    async def test_a_rescuer_that_dies_is_rescued_in_turn(self, stage: Stage) -> None:
        job = await stage.abandoned()
        await stage.beat("r1")
        (first,) = await stage.storage.reclaim("r1", 10)
        stage.clock.advance(LEASE)
        await stage.beat("r2")
        (second,) = await stage.storage.reclaim("r2", 10)
        assert (second.id, second.generation, second.attempt, second.crashes) == (job.id, 3, 1, 0)
        assert second.rescued
        assert await stage.apply(lifecycle.lapse(first, 0.5)) == "stale"
        assert await stage.apply(lifecycle.lapse(second, 0.5)) == "applied"
        assert (await stage.job(job.id)).crashes == 1

    async def test_the_former_holder_can_do_nothing_more(self, stage: Stage) -> None:
        job = await stage.abandoned()
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        await stage.beat("gone")
        assert await stage.apply(lifecycle.hand_back(job)) == "stale"
        assert await stage.job(job.id) == taken

    async def test_rescued_ends_with_the_settlement(self, stage: Stage) -> None:
        await stage.abandoned()
        await stage.beat("rescuer")
        (taken,) = await stage.storage.reclaim("rescuer", 10)
        await stage.apply(lifecycle.lapse(taken, 0.5))
        row = await stage.job(taken.id)
        assert (row.state, row.rescued, row.crashes, row.attempt) == (State.RETRYING, False, 1, 0)

    async def test_forgotten_workers_may_come_back(self, stage: Stage) -> None:
        await stage.beat("w", ttl=0)
        await stage.beat("rescuer")
        await stage.storage.reclaim("rescuer", 10)
        await stage.enqueue()
        assert len(await stage.claim("w")) == 1

    async def test_workers_that_hold_something_are_not_forgotten(self, stage: Stage) -> None:
        job = await stage.abandoned(queue="a")
        await stage.beat("rescuer")
        assert list(await stage.storage.reclaim("rescuer", 10, ["b"])) == []
        await stage.beat("gone")
        assert list(await stage.storage.reclaim("rescuer", 10)) == []
        await stage.settle(job)

    async def test_what_a_worker_took_is_found_where_no_answer_came(self, stage: Stage) -> None:
        """Claimed or reclaimed, with the generations that its guards need; not what it had before."""
        await stage.abandoned()
        await stage.finished(queue="other")
        await stage.beat("w")
        (rescued,) = await stage.storage.reclaim("w", 10)
        claimed = await stage.running("w", queue="more")
        await stage.running("another", queue="even more")
        page = await stage.storage.find(Filter(RUNNING, worker="w"), limit=10)
        assert list(page.jobs) == [claimed, rescued]
        assert [job.rescued for job in page.jobs] == [False, True]
