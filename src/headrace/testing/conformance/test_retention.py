"""Retention: a job's own by state, and the rules of single queues."""

from typing import Any

import pytest

from headrace.model import lifecycle
from headrace.model.change import Change, Patch
from headrace.model.job import Job, Options
from headrace.model.outcome import Returned, Stopped
from headrace.model.state import FINAL, State
from headrace.storage.contract import Keep
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import GIVEN_UP, PLAIN, Stage

MILLISECOND = 0.001
DAY = Keep(86_400, 1_000_000)
LONG = dict.fromkeys(FINAL, DAY)


async def _ended(stage: Stage, state: State, **fields: Any) -> Job:
    """A job that has just become final in this state."""
    match state:
        case State.COMPLETED:
            return await stage.finished(**fields)
        case State.DEAD:
            return await stage.dead(**fields)
    return await stage.settle(await stage.running(**fields), Stopped("enough"))


class TestRetentionByState(Family):
    OWN = Options(retention={"completed": 1.0, "dead": 2.5, "cancelled": 4.0})

    @pytest.mark.parametrize(("state", "seconds"), [(State.COMPLETED, 1.0), (State.DEAD, 2.5), (State.CANCELLED, 4.0)])
    async def test_each_state_by_what_the_job_asks_for_it(self, stage: Stage, state: State, seconds: float) -> None:
        job = await _ended(stage, state, options=self.OWN)
        assert job.options == self.OWN
        stage.clock.advance(seconds - MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 1

    @pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED])
    async def test_states_left_out_go_by_the_rule(self, stage: Stage, state: State) -> None:
        await _ended(stage, state, options=Options(retention={"completed": 1.0}))
        stage.clock.advance(10 - MILLISECOND)
        assert await stage.storage.prune(dict.fromkeys(FINAL, Keep(10, 100)), 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(dict.fromkeys(FINAL, Keep(10, 100)), 100) == 1

    async def test_a_state_that_a_job_keeps_for_longer_stays(self, stage: Stage) -> None:
        job = await stage.dead(options=Options(retention={"dead": 1_000.0}))
        stage.clock.advance(999)
        assert await stage.storage.prune(dict.fromkeys(FINAL, Keep(10, 100)), 100) == 0
        assert await stage.ids() == [job.id]

    async def test_cancelled_while_it_waits(self, stage: Stage) -> None:
        job = await stage.job(await stage.enqueue(delay=60.0, options=self.OWN))
        await stage.apply(lifecycle.cancel(job))
        stage.clock.advance(4 - MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 1

    async def test_after_an_operators_retry_by_the_state_it_ends_in_then(self, stage: Stage) -> None:
        dead = await stage.dead(options=self.OWN)
        stage.clock.advance(2)
        await stage.apply(lifecycle.retry(dead))
        stage.clock.advance(100)
        assert await stage.storage.prune(LONG, 100) == 0
        (again,) = await stage.claim()
        await stage.settle(again)
        stage.clock.advance(1 - MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 1

    async def test_dead_once_more_after_a_retry(self, stage: Stage) -> None:
        dead = await stage.dead(options=Options(retention={"dead": 2.0}))
        stage.clock.advance(1)
        await stage.apply(lifecycle.retry(dead))
        (again,) = await stage.claim()
        stage.clock.advance(1)
        await stage.settle(again, GIVEN_UP)
        stage.clock.advance(2 - MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 1

    @pytest.mark.parametrize(
        "own", [Options(), Options(retention=5.0), Options(retention={"dead": 5.0, "completed": 5.0})]
    )
    async def test_a_state_that_was_left_behind_prunes_nothing(self, stage: Stage, own: Options) -> None:
        """Dead, sent back and completed in one millisecond, beside one that stays dead."""
        other = await stage.dead(options=Options(retention=1_000.0))
        dead = await stage.dead(options=own)
        await stage.apply(lifecycle.retry(dead))
        (again,) = await stage.claim()
        await stage.settle(again)
        stage.clock.advance(5)
        assert await stage.storage.prune({State.DEAD: Keep(5, 100)}, 100) == 0
        assert await stage.storage.prune({State.COMPLETED: Keep(5, 100)}, 100) == 1
        assert await stage.ids() == [other.id]

    @pytest.mark.parametrize(("state", "seconds"), [(State.DEAD, 2.5), (State.CANCELLED, 4.0)])
    async def test_in_however_few_words_it_became_final(self, stage: Stage, state: State, seconds: float) -> None:
        job = await stage.running(options=self.OWN)
        await stage.apply(Change(job.id, lifecycle.held(job), Patch(state, release_key=True)))
        stage.clock.advance(seconds - MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune(LONG, 100) == 1

    async def test_zero_keeps_nothing(self, stage: Stage) -> None:
        await stage.finished(options=Options(retention={"completed": 0.0}))
        dead = await stage.dead(options=Options(retention={"completed": 0.0}))
        assert await stage.storage.prune(LONG, 100) == 1
        assert await stage.ids() == [dead.id]

    async def test_of_many_completed_at_once(self, stage: Stage) -> None:
        kept = Options(retention={"dead": 1.0})
        news = [stage.new(options=self.OWN if number % 3 else kept) for number in range(300)]
        await stage.storage.insert(news)
        changes = [lifecycle.settle(job, Returned(), PLAIN, 0.5) for job in await stage.claim(limit=300)]
        await stage.storage.apply(changes)
        stage.clock.advance(1)
        assert await stage.storage.prune(LONG, 1_000) == 200
        left = [await stage.job(job_id) for job_id in await stage.ids()]
        assert [job.options for job in left] == [kept] * 100


class TestQueueRules(Family):
    async def test_a_queues_own_age_wins(self, stage: Stage) -> None:
        short, long, plain = [await stage.finished(queue=queue) for queue in ("short", "long", "plain")]
        of_queues = {"short": {State.COMPLETED: Keep(5, 100)}, "long": {State.COMPLETED: Keep(50, 100)}}
        keep = {State.COMPLETED: Keep(10, 100)}
        for seconds, left in (
            (5 - MILLISECOND, [plain, long, short]),
            (MILLISECOND, [plain, long]),
            (5, [long]),
            (40 - MILLISECOND, [long]),
            (MILLISECOND, []),
        ):
            stage.clock.advance(seconds)
            await stage.storage.prune(keep, 100, of_queues=of_queues)
            assert await stage.ids() == [job.id for job in left]

    async def test_a_queues_own_number_wins(self, stage: Stage) -> None:
        kept: list[str] = []
        for queue, most in (("few", 1), ("many", 3), ("plain", 2)):
            for number in range(4):
                job = await stage.finished(queue=queue)
                stage.clock.advance(1)
                if number >= 4 - most:
                    kept.append(job.id)
        of_queues = {"few": {State.COMPLETED: Keep(86_400, 1)}, "many": {State.COMPLETED: Keep(86_400, 3)}}
        assert await stage.storage.prune({State.COMPLETED: Keep(86_400, 2)}, 100, of_queues=of_queues) == 6
        assert await stage.ids() == kept[::-1]

    async def test_states_that_a_queue_does_not_name_go_by_the_general_rule(self, stage: Stage) -> None:
        await stage.finished(queue="a")
        dead = await stage.dead(queue="a")
        stage.clock.advance(20)
        of_queues = {"a": {State.DEAD: Keep(50, 100)}}
        assert await stage.storage.prune(dict.fromkeys(FINAL, Keep(10, 100)), 100, of_queues=of_queues) == 1
        assert await stage.ids() == [dead.id]

    async def test_a_state_that_only_a_queue_names_is_swept_there_only(self, stage: Stage) -> None:
        gone, kept = await stage.dead(queue="a"), await stage.dead(queue="b")
        done = await stage.finished(queue="a")
        stage.clock.advance(20)
        of_queues = {"a": {State.DEAD: Keep(10, 100)}}
        assert await stage.storage.prune({}, 100, of_queues=of_queues) == 1
        assert await stage.ids() == [done.id, kept.id]
        assert list(await stage.storage.get([gone.id])) == [None]

    async def test_a_job_in_a_swept_queue_goes_when_its_own_time_is_over(self, stage: Stage) -> None:
        own = Options(retention={"dead": 5.0})
        swept, unswept = await stage.dead(queue="a", options=own), await stage.dead(queue="b", options=own)
        of_queues = {"a": {State.DEAD: Keep(1, 100)}}
        stage.clock.advance(5 - MILLISECOND)
        assert await stage.storage.prune({}, 100, of_queues=of_queues) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune({}, 100, of_queues=of_queues) == 1
        assert await stage.ids() == [unswept.id]
        assert list(await stage.storage.get([swept.id])) == [None]
        assert await stage.storage.prune({State.DEAD: DAY}, 100) == 1

    @pytest.mark.parametrize(("own", "rule"), [(5.0, 86_400.0), (50.0, 1.0)])
    async def test_what_a_job_asks_for_wins_over_its_queues_rule(self, stage: Stage, own: float, rule: float) -> None:
        await stage.finished(options=Options(retention=own))
        of_queues = {"q": {State.COMPLETED: Keep(rule, 100)}}
        stage.clock.advance(own - MILLISECOND)
        assert await stage.storage.prune({State.COMPLETED: Keep(1, 100)}, 100, of_queues=of_queues) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune({State.COMPLETED: DAY}, 100, of_queues=of_queues) == 1

    async def test_the_oldest_of_all_queues_go_first(self, stage: Stage) -> None:
        ids: list[str] = []
        for number in range(9):
            ids.append((await stage.finished(queue="abc"[number % 3])).id)
            stage.clock.advance(1)
        of_queues = {queue: {State.COMPLETED: Keep(age, 100)} for queue, age in (("a", 0), ("b", 1))}
        for removed, left in ((4, 5), (4, 1), (1, 0)):
            assert await stage.storage.prune({State.COMPLETED: Keep(0.5, 100)}, 4, of_queues=of_queues) == removed
            assert await stage.ids() == ids[len(ids) - left :][::-1]

    async def test_the_number_counts_what_the_age_left(self, stage: Stage) -> None:
        ids = []
        for _ in range(5):
            ids.append((await stage.finished()).id)
            stage.clock.advance(10)
        of_queues = {"q": {State.COMPLETED: Keep(40, 2)}}
        assert await stage.storage.prune({}, 100, of_queues=of_queues) == 3
        assert await stage.ids() == ids[:2:-1]

    async def test_never_a_waiting_or_running_job(self, stage: Stage) -> None:
        await stage.enqueue(delay=1_000.0)
        await stage.running()
        stage.clock.advance(500)
        before = await stage.storage.count()
        of_queues = {"q": dict.fromkeys(State, Keep(0, 0)), "none": dict.fromkeys(State, Keep(0, 0))}
        assert await stage.storage.prune({}, 100, of_queues=of_queues) == 0
        assert await stage.storage.count() == before

    async def test_a_limit_over_states_and_queues_together(self, stage: Stage) -> None:
        for queue in ("a", "b"):
            await stage.finished(queue=queue)
            await stage.dead(queue=queue)
        stage.clock.advance(10)
        of_queues = {"a": dict.fromkeys(FINAL, Keep(1, 100))}
        removed = [await stage.storage.prune({State.DEAD: Keep(5, 100)}, 1, of_queues=of_queues) for _ in range(4)]
        assert removed == [1, 1, 1, 0]
        assert await stage.storage.count() == {("b", State.COMPLETED): 1}
