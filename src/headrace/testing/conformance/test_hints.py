"""Hints: when something is next due, and notices."""

import asyncio

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.outcome import Snoozed
from headrace.model.state import State
from headrace.storage.contract import Listener, Storage
from headrace.system.machine import SystemSpawn
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage

SOON = 10.0
"""Seconds after which a notice that should have come counts as lost."""
LONG = 3_600.0


class TestNextDue(Family):
    async def test_none_without_any(self, stage: Stage) -> None:
        await stage.enqueue(queue="other")
        await stage.running()
        await stage.finished()
        assert await stage.storage.next_due(["q"]) is None
        assert await stage.storage.next_due([]) is None

    async def test_zero_when_one_is_due(self, stage: Stage) -> None:
        await stage.enqueue(delay=5.0)
        await stage.enqueue()
        assert await stage.storage.next_due(["q"]) == 0

    async def test_the_earliest_of_these_queues(self, stage: Stage) -> None:
        for queue, delay in (("a", 7.5), ("a", 30.0), ("b", 2.25), ("c", 1.0)):
            await stage.enqueue(queue=queue, delay=delay)
        assert await stage.storage.next_due(["a"]) == 7.5
        assert await stage.storage.next_due(["a", "b", "none"]) == 2.25
        stage.clock.advance(2)
        assert await stage.storage.next_due(["b", "a"]) == 0.25
        stage.clock.advance(2)
        assert await stage.storage.next_due(["b", "a"]) == 0

    async def test_retrying_ones_count(self, stage: Stage) -> None:
        await stage.settle(await stage.running(), FAILED)
        assert await stage.storage.next_due(["q"]) == 1

    async def test_cancelled_ones_do_not(self, stage: Stage) -> None:
        for delay in (0.0, 5.0):
            await stage.apply(lifecycle.cancel(await stage.job(await stage.enqueue(delay=delay))))
        assert await stage.storage.next_due(["q"]) is None

    async def test_asking_changes_nothing(self, stage: Stage) -> None:
        ids = [await stage.enqueue(priority=priority) for priority in (3, 1, 2)]
        for _ in range(3):
            assert await stage.storage.next_due(["q"]) == 0
        assert [job.id for job in await stage.claim()] == [ids[1], ids[2], ids[0]]


class TestListen(Family):
    async def test_nothing_heard(self, stage: Stage) -> None:
        listener = stage.storage.listen(["queue:q"])
        assert await listener.wait(0) is False
        assert await listener.wait(0.001) is False
        listener.close()

    async def test_a_notice_between_the_look_and_the_wait_is_heard(self, stage: Stage) -> None:
        listener = stage.storage.listen(["queue:q"])
        assert list(await stage.claim()) == []
        await stage.enqueue()
        assert await hears(listener)
        listener.close()

    async def test_a_notice_is_heard_once(self, stage: Stage) -> None:
        listener = stage.storage.listen(["queue:q"])
        await stage.storage.insert([stage.new(), stage.new()])
        await stage.enqueue()
        assert await hears(listener)
        assert await listener.wait(0) is False
        listener.close()

    async def test_an_insert_tells_its_queue_whenever_it_is_due(self, stage: Stage) -> None:
        listener, other = stage.storage.listen(["queue:q"]), stage.storage.listen(["queue:other", "queue:q2"])
        await stage.enqueue(delay=60.0)
        assert await hears(listener)
        assert await other.wait(0) is False
        listener.close()
        other.close()

    async def test_any_of_its_topics(self, stage: Stage) -> None:
        listener = stage.storage.listen(["queue:a", "queue:b"])
        for queue in "ab":
            await stage.enqueue(queue=queue)
            assert await hears(listener)
        listener.close()

    async def test_a_job_that_became_pending_tells_its_queue(self, stage: Stage) -> None:
        job, dead = await stage.running(), await stage.dead()
        scheduled = await stage.job(await stage.enqueue(delay=60.0))
        changes = [lifecycle.hand_back(job), lifecycle.retry(dead), lifecycle.run_now(scheduled)]
        for change in changes:
            listener = stage.storage.listen(["queue:q"])
            await stage.apply(change)
            assert await hears(listener)
            listener.close()

    async def test_a_job_that_leaves_a_ceiling_tells_its_queue(self, stage: Stage) -> None:
        await stage.control('{"concurrency":3}')
        await stage.control('{"paused":false}', queue="free")
        for outcome in (None, FAILED, Snoozed(60.0)):
            job, free = await stage.running(), await stage.running(queue="free")
            listener, other = stage.storage.listen(["queue:q"]), stage.storage.listen(["queue:free"])
            await stage.settle(free, outcome)
            await stage.settle(job, outcome)
            assert await hears(listener)
            assert await other.wait(0) is False
            listener.close()
            other.close()

    async def test_a_follow_up_job_tells_its_queue(self, stage: Stage) -> None:
        job = await stage.running()
        listener = stage.storage.listen(["queue:next"])
        change = lifecycle.hand_back(job)
        await stage.apply(Change(job.id, change.guard, change.patch, (stage.new(queue="next"),)))
        assert await hears(listener)
        listener.close()

    async def test_a_job_that_became_final_tells_those_who_wait_for_it(self, stage: Stage) -> None:
        job, other = await stage.running(), await stage.running()
        listener, bystander = stage.storage.listen([f"job:{job.id}"]), stage.storage.listen([f"job:{other.id}"])
        await stage.settle(job)
        assert await hears(listener)
        assert await bystander.wait(0) is False
        await stage.apply(lifecycle.lapse(other, 0.5))
        await stage.apply(lifecycle.cancel(await stage.job(other.id)))
        assert await hears(bystander)
        listener.close()
        bystander.close()

    async def test_a_wish_to_stop_tells_the_worker(self, stage: Stage) -> None:
        job = await stage.running("w1")
        listener, other = stage.storage.listen(["worker:w1"]), stage.storage.listen(["worker:w2"])
        await stage.apply(lifecycle.cancel(job))
        assert await hears(listener)
        assert await other.wait(0) is False
        listener.close()
        other.close()

    async def test_close_ends_it_and_is_idempotent(self, stage: Stage) -> None:
        listener, other = stage.storage.listen(["queue:q"]), stage.storage.listen(["queue:q"])
        listener.close()
        listener.close()
        await stage.enqueue()
        assert await listener.wait(0) is False
        assert await hears(other)
        other.close()

    async def test_a_sibling_in_another_thread_and_loop_is_heard(self, stage: Stage) -> None:
        listener = stage.storage.listen(["queue:q"])
        hosted = SystemSpawn().host("elsewhere", lambda: _insert(stage.storage.sibling(), stage))
        assert await hears(listener)
        await hosted.join()
        assert await stage.number(State.PENDING) == 1
        listener.close()

    async def test_a_sibling_in_another_thread_and_loop_hears(self, stage: Stage) -> None:
        heard: list[bool] = []
        ready = stage.storage.listen(["queue:ready"])

        async def elsewhere() -> None:
            sibling = stage.storage.sibling()
            await sibling.open()
            listener = sibling.listen(["queue:q"])
            await sibling.insert([stage.new(queue="ready")])
            heard.append(await hears(listener))
            listener.close()
            await sibling.close()

        hosted = SystemSpawn().host("elsewhere", elsewhere)
        assert await hears(ready)
        await stage.enqueue()
        await hosted.join()
        assert heard == [True]
        ready.close()


async def hears(listener: Listener) -> bool:
    """Whether a notice ends a wait that would otherwise last long."""
    async with asyncio.timeout(SOON):
        return await listener.wait(LONG)


async def _insert(sibling: Storage, stage: Stage) -> None:
    await sibling.open()
    await sibling.insert([stage.new()])
    await sibling.close()
