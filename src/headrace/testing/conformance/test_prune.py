"""Prune: final jobs by age, by their own retention, by number; in bounded steps; never anything else."""

import pytest

from headrace.model import lifecycle
from headrace.model.change import Change, In, Patch
from headrace.model.job import Options
from headrace.model.state import FINAL, State
from headrace.storage.contract import Keep
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage

MILLISECOND = 0.001
NOTHING = dict.fromkeys(FINAL, Keep(0, 0))
DAY = Keep(86_400, 1_000_000)


class TestPrune(Family):
    async def test_never_a_waiting_or_running_job(self, stage: Stage) -> None:
        await stage.enqueue(queue="a")
        await stage.enqueue(queue="a", delay=1.0)
        await stage.settle(await stage.running(), FAILED)
        await stage.running()
        before = await stage.storage.count()
        stage.clock.advance(86_400 * 365)
        everything = dict.fromkeys(State, Keep(0, 0))
        assert await stage.storage.prune(everything, 1_000) == 0
        assert await stage.storage.count() == before

    async def test_a_job_goes_when_it_has_reached_its_age(self, stage: Stage) -> None:
        job = await stage.finished()
        keep = {State.COMPLETED: Keep(10, 100)}
        stage.clock.advance(10 - MILLISECOND)
        assert await stage.storage.prune(keep, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(keep, 100) == 1
        assert list(await stage.storage.get([job.id])) == [None]
        assert await stage.storage.count() == {}

    async def test_age_counts_from_the_end_of_the_job(self, stage: Stage) -> None:
        job = await stage.running()
        stage.clock.advance(100)
        await stage.settle(job)
        assert await stage.storage.prune({State.COMPLETED: Keep(10, 100)}, 100) == 0

    async def test_only_the_states_given(self, stage: Stage) -> None:
        done, dead = await stage.finished(), await stage.dead()
        stage.clock.advance(100)
        assert await stage.storage.prune({State.COMPLETED: Keep(10, 100)}, 100) == 1
        assert await stage.ids() == [dead.id]
        assert list(await stage.storage.get([done.id])) == [None]
        assert await stage.storage.prune({}, 100) == 0

    async def test_each_state_by_its_own_age(self, stage: Stage) -> None:
        await stage.finished()
        dead = await stage.dead()
        stage.clock.advance(100)
        assert await stage.storage.prune({State.COMPLETED: Keep(99, 9), State.DEAD: Keep(101, 9)}, 100) == 1
        assert await stage.ids() == [dead.id]

    @pytest.mark.parametrize(("retention", "age"), [(5.0, 86_400.0), (5.0, 1.0), (0.5, 3.0)])
    async def test_a_jobs_own_retention_wins(self, stage: Stage, retention: float, age: float) -> None:
        await stage.finished(options=Options(retention=retention))
        keep = {State.COMPLETED: Keep(age, 100)}
        stage.clock.advance(retention - MILLISECOND)
        assert await stage.storage.prune(keep, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(keep, 100) == 1

    async def test_a_retention_of_zero_keeps_nothing(self, stage: Stage) -> None:
        await stage.finished(options=Options(retention=0.0))
        kept = await stage.finished()
        assert await stage.storage.prune({State.COMPLETED: DAY}, 100) == 1
        assert await stage.ids() == [kept.id]

    async def test_a_long_retention_does_not_hold_up_those_behind_it(self, stage: Stage) -> None:
        kept = await stage.finished(options=Options(retention=1_000.0))
        stage.clock.advance(1)
        await stage.finished()
        stage.clock.advance(50)
        assert await stage.storage.prune({State.COMPLETED: Keep(10, 100)}, 100) == 1
        assert await stage.ids() == [kept.id]

    async def test_the_oldest_beyond_the_number_go_in_each_queue(self, stage: Stage) -> None:
        kept: list[str] = []
        for queue in ("a", "b"):
            for number in range(5):
                job = await stage.finished(queue=queue)
                stage.clock.advance(1)
                if number >= 3:
                    kept.append(job.id)
        assert await stage.storage.prune({State.COMPLETED: Keep(86_400, 2)}, 100) == 6
        assert await stage.ids() == kept[::-1]
        assert await stage.storage.prune({State.COMPLETED: Keep(86_400, 2)}, 100) == 0

    async def test_the_number_counts_each_state_alone(self, stage: Stage) -> None:
        for _ in range(2):
            await stage.finished()
            await stage.dead()
        keep = {State.COMPLETED: Keep(86_400, 2), State.DEAD: Keep(86_400, 2)}
        assert await stage.storage.prune(keep, 100) == 0

    async def test_beyond_the_number_no_retention_helps(self, stage: Stage) -> None:
        await stage.finished(options=Options(retention=1_000.0))
        stage.clock.advance(1)
        newer = await stage.finished()
        assert await stage.storage.prune({State.COMPLETED: Keep(86_400, 1)}, 100) == 1
        assert await stage.ids() == [newer.id]

    async def test_what_its_age_removed_no_longer_counts(self, stage: Stage) -> None:
        first = await stage.finished()
        stage.clock.advance(1)
        await stage.finished(options=Options(retention=0.0))
        assert await stage.storage.prune({State.COMPLETED: Keep(86_400, 1)}, 100) == 1
        assert await stage.ids() == [first.id]

    async def test_in_bounded_steps_oldest_first(self, stage: Stage) -> None:
        ids: list[str] = []
        for _ in range(7):
            ids.append((await stage.finished()).id)
            stage.clock.advance(1)
        stage.clock.advance(100)
        removed: list[int] = []
        for left in (4, 1, 0, 0):
            removed.append(await stage.storage.prune(NOTHING, 3))
            assert await stage.ids() == ids[len(ids) - left :][::-1]
        assert removed == [3, 3, 1, 0]

    async def test_a_limit_of_zero_removes_nothing(self, stage: Stage) -> None:
        await stage.finished()
        assert await stage.storage.prune(NOTHING, 0) == 0
        assert await stage.number(State.COMPLETED) == 1

    async def test_a_job_that_was_retried_is_final_no_more(self, stage: Stage) -> None:
        dead = await stage.dead(options=Options(retention=1.0))
        await stage.apply(lifecycle.retry(dead))
        stage.clock.advance(100)
        assert await stage.storage.prune(NOTHING, 100) == 0
        (again,) = await stage.claim()
        await stage.settle(again)
        assert await stage.storage.prune({State.COMPLETED: DAY}, 100) == 0
        stage.clock.advance(1)
        assert await stage.storage.prune({State.COMPLETED: DAY}, 100) == 1

    async def test_no_key_but_those_of_removed_jobs(self, stage: Stage) -> None:
        waiting = await stage.enqueue(key="waiting", delay=1_000.0)
        await stage.finished(key="freed before")
        holder = await stage.enqueue(key="freed before", delay=1_000.0)
        kept_its_key = await stage.running(key="kept")
        patch = Patch(State.COMPLETED)
        await stage.apply(Change(kept_its_key.id, In(frozenset({State.RUNNING})), patch))
        assert (await stage.insert(key="kept")).id == kept_its_key.id
        assert await stage.storage.prune(NOTHING, 100) == 2
        assert (await stage.insert(key="waiting")).id == waiting
        assert (await stage.insert(key="freed before")).id == holder
        assert not (await stage.insert(key="kept")).duplicate
