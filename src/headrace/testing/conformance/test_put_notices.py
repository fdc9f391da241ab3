"""Every put that was done is told, whatever it was done beside."""

from collections.abc import Awaitable, Callable

import pytest

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.outcome import Returned
from headrace.model.record import QUEUE, Put
from headrace.storage.contract import Storage
from headrace.system.machine import SystemSpawn
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import PLAIN, Stage
from headrace.testing.conformance.test_hints import hears

Way = Callable[[Stage, Put], Awaitable[object]]


async def _alone(stage: Stage, put: Put) -> None:
    assert list(await stage.storage.put([put])) == [True]


async def _beside_an_insert(stage: Stage, put: Put) -> None:
    await stage.storage.insert([stage.new(queue="elsewhere")], [put])


async def _beside_no_job(stage: Stage, put: Put) -> None:
    await stage.storage.insert([], [put])


async def _with_a_new_job(stage: Stage, put: Put) -> None:
    await stage.enqueue(queue="elsewhere", puts=(put,))


async def _beside_a_change(stage: Stage, put: Put) -> None:
    await _change(stage, lambda change: Change(change.job_id, change.guard, change.patch, (), (put,)))


async def _with_a_follow_up(stage: Stage, put: Put) -> None:
    then = (stage.new(queue="elsewhere", puts=(put,)),)
    await _change(stage, lambda change: Change(change.job_id, change.guard, change.patch, then))


async def _change(stage: Stage, beside: Callable[[Change], Change]) -> None:
    job = await stage.running(queue="elsewhere")
    await stage.apply(beside(lifecycle.settle(job, Returned(), PLAIN, 0.5)))


WAYS: dict[str, Way] = {
    "alone": _alone,
    "beside_an_insert": _beside_an_insert,
    "beside_no_job": _beside_no_job,
    "with_a_new_job": _with_a_new_job,
    "beside_a_change": _beside_a_change,
    "with_a_follow_up": _with_a_follow_up,
}


class TestPutNotices(Family):
    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
    async def test_its_kind_is_told(self, stage: Stage, way: Way) -> None:
        listener, other = stage.storage.listen(["record:kv"]), stage.storage.listen(["record:lease", "queue:x"])
        await way(stage, Put("kv", "x", "1"))
        assert await hears(listener)
        assert await other.wait(0) is False
        listener.close()
        other.close()

    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
    async def test_a_queues_control_tells_its_queue_too(self, stage: Stage, way: Way) -> None:
        listeners = [stage.storage.listen([topic]) for topic in ("queue:q", f"record:{QUEUE}")]
        other = stage.storage.listen(["queue:other"])
        await way(stage, Put(QUEUE, "q", '{"paused":true}'))
        for listener in listeners:
            assert await hears(listener)
        assert await other.wait(0) is False
        for listener in (*listeners, other):
            listener.close()

    async def test_a_removal_is_told(self, stage: Stage) -> None:
        await stage.storage.put([Put("kv", "x", "1"), Put(QUEUE, "q", "{}")])
        listeners = [stage.storage.listen([topic]) for topic in ("record:kv", "queue:q")]
        assert list(await stage.storage.put([Put("kv", "x", None), Put(QUEUE, "q", None)])) == [True, True]
        for listener in listeners:
            assert await hears(listener)
            listener.close()

    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
    async def test_a_sibling_in_another_thread_and_loop_hears(self, stage: Stage, way: Way) -> None:
        heard: list[bool] = []
        ready = stage.storage.listen(["queue:ready"])

        async def elsewhere() -> None:
            sibling = stage.storage.sibling()
            await sibling.open()
            listener = sibling.listen(["record:kv"])
            await sibling.insert([stage.new(queue="ready")])
            heard.append(await hears(listener))
            listener.close()
            await sibling.close()

        hosted = SystemSpawn().host("elsewhere", elsewhere)
        assert await hears(ready)
        await way(stage, Put("kv", "x", "1"))
        await hosted.join()
        assert heard == [True]
        ready.close()

    async def test_a_sibling_in_another_thread_and_loop_is_heard(self, stage: Stage) -> None:
        listener = stage.storage.listen(["record:kv"])
        hosted = SystemSpawn().host("elsewhere", lambda: _put(stage.storage.sibling()))
        assert await hears(listener)
        await hosted.join()
        assert len(await stage.storage.records("kv")) == 1
        listener.close()


async def _put(sibling: Storage) -> None:
    await sibling.open()
    await sibling.put([Put("kv", "x", "1")])
    await sibling.close()
