"""A queue that cools gives no job before its instant."""

import pytest

from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import Stage

MILLISECOND = 0.001


async def _cool(stage: Stage, seconds: float, more: str = "", queue: str = "q") -> None:
    await stage.control(f'{{"cools_until":{stage.clock.wall() + round(seconds * 1000)}{more}}}', queue)


class TestCooling(Family):
    async def test_none_before_its_instant_and_all_from_then_on(self, stage: Stage) -> None:
        ids = [await stage.enqueue() for _ in range(3)]
        await _cool(stage, 10.0)
        assert list(await stage.claim()) == []
        stage.clock.advance(10 - MILLISECOND)
        assert list(await stage.claim()) == []
        stage.clock.advance(MILLISECOND)
        assert [job.id for job in await stage.claim()] == ids

    @pytest.mark.parametrize("seconds", [0.0, -1.0, -86_400.0])
    async def test_an_instant_that_is_past_holds_nothing_up(self, stage: Stage, seconds: float) -> None:
        await stage.enqueue()
        await _cool(stage, seconds)
        assert len(await stage.claim()) == 1

    async def test_of_this_queue_only(self, stage: Stage) -> None:
        for queue in ("q", "other"):
            await stage.enqueue(queue=queue)
        await _cool(stage, 10.0)
        await stage.beat()
        jobs = await stage.storage.claim("w", [Demand("q", 1), Demand("other", 1)])
        assert [job.queue for job in jobs] == ["other"]

    async def test_what_runs_goes_on(self, stage: Stage) -> None:
        job = await stage.running()
        await _cool(stage, 10.0)
        assert await stage.job(job.id) == job
        assert (await stage.settle(job)).state is State.COMPLETED

    async def test_a_pause_outlasts_it_and_a_ceiling_holds_behind_it(self, stage: Stage) -> None:
        for _ in range(3):
            await stage.enqueue()
        await _cool(stage, 10.0, ',"paused":true')
        stage.clock.advance(10)
        assert list(await stage.claim()) == []
        await _cool(stage, 10.0, ',"concurrency":2')
        assert list(await stage.claim()) == []
        stage.clock.advance(10)
        assert len(await stage.claim()) == 2

    async def test_it_ends_with_its_record(self, stage: Stage) -> None:
        await stage.enqueue()
        await _cool(stage, 10.0)
        await stage.control("{}")
        assert len(await stage.claim()) == 1

    async def test_jobs_come_due_meanwhile(self, stage: Stage) -> None:
        await _cool(stage, 10.0)
        late = await stage.enqueue(delay=5.0, priority=1)
        early = await stage.enqueue(priority=2)
        stage.clock.advance(10)
        assert [job.id for job in await stage.claim()] == [late, early]

    async def test_the_storages_wall_clock_decides(self, stage: Stage) -> None:
        await stage.enqueue()
        await _cool(stage, 3_600.0)
        stage.clock.step_wall(3_600)
        assert len(await stage.claim()) == 1
