"""The order in which a queue gives its jobs: priority, due time, id."""

from headrace.model import lifecycle
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage


async def _claimed(stage: Stage, at_a_time: int = 100) -> list[str]:
    ids: list[str] = []
    while batch := await stage.claim(limit=at_a_time):
        ids += [job.id for job in batch]
    return ids


class TestOrder(Family):
    async def test_lower_priority_numbers_first(self, stage: Stage) -> None:
        by_priority = {priority: await stage.enqueue(priority=priority) for priority in (1000, 100, 32_767, 0, 999, 9)}
        assert await _claimed(stage, 2) == [by_priority[priority] for priority in sorted(by_priority)]

    async def test_earlier_due_times_first_inside_a_priority(self, stage: Stage) -> None:
        now = stage.clock.wall()
        by_due = {back: await stage.enqueue(at=now - back) for back in (5, 900, 0, 70_000, 6)}
        assert await _claimed(stage) == [by_due[back] for back in sorted(by_due, reverse=True)]

    async def test_lower_ids_first_at_one_due_time(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(6)]
        await stage.storage.insert([news[index] for index in (4, 1, 5, 0, 3, 2)])
        assert await _claimed(stage, 4) == [new.id for new in news]

    async def test_priority_goes_before_due_time(self, stage: Stage) -> None:
        late_but_high = await stage.enqueue(delay=10.0, priority=1)
        early_but_low = await stage.enqueue(priority=2)
        stage.clock.advance(10)
        assert await _claimed(stage) == [late_but_high, early_but_low]

    async def test_a_high_priority_that_is_not_due_holds_nothing_up(self, stage: Stage) -> None:
        await stage.enqueue(delay=10.0, priority=0)
        due = await stage.enqueue(priority=32_767)
        assert await _claimed(stage) == [due]

    async def test_scheduled_ones_take_the_place_of_their_due_time(self, stage: Stage) -> None:
        third = await stage.enqueue(delay=3.0)
        first = await stage.enqueue(delay=1.0)
        stage.clock.advance(2)
        second = await stage.enqueue()
        stage.clock.advance(5)
        fourth = await stage.enqueue()
        assert await _claimed(stage) == [first, second, third, fourth]

    async def test_a_job_handed_back_keeps_its_place(self, stage: Stage) -> None:
        first = await stage.running()
        stage.clock.advance(1)
        second = await stage.enqueue()
        await stage.apply(lifecycle.hand_back(first))
        assert await _claimed(stage) == [first.id, second]

    async def test_a_retry_stands_where_its_new_due_time_puts_it(self, stage: Stage) -> None:
        failed = await stage.running()
        await stage.settle(failed, FAILED)
        earlier = await stage.enqueue()
        stage.clock.advance(2)
        later = await stage.enqueue()
        assert await _claimed(stage) == [earlier, failed.id, later]

    async def test_run_now_makes_it_due_now(self, stage: Stage) -> None:
        waiting = await stage.job(await stage.enqueue(delay=3_600.0))
        earlier = await stage.enqueue()
        stage.clock.advance(1)
        await stage.apply(lifecycle.run_now(waiting))
        assert await _claimed(stage) == [earlier, waiting.id]

    async def test_one_batch_is_in_order(self, stage: Stage) -> None:
        now = stage.clock.wall()
        news = [stage.new(priority=number * 7 % 5, at=now - number * 13 % 11) for number in range(40)]
        await stage.storage.insert(news)
        expected = sorted(news, key=lambda new: (new.priority, new.at, new.id))
        assert await _claimed(stage) == [new.id for new in expected]
