"""Ceilings over several workers, in virtual time: fair shares, turns, and what happens when things change."""

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from permits import Watch
from stand import Stand

from headrace import State
from headrace.model.presence import Presence
from headrace.model.record import WORKER, Put
from headrace.runtime.sharer import Sharer
from headrace.runtime.worker import Worker
from headrace.storage.contract import Filter

pytestmark = pytest.mark.anyio


async def tell(stand: Stand, worker_id: str, **queues: int) -> None:
    """What a worker elsewhere tells of itself."""
    value = msgspec.json.encode(Presence(worker_id, "host", 1, "", queues)).decode()
    assert await (await stand.storage()).put([Put(WORKER, worker_id, value)]) == [True]


async def join(stand: Stand, stack: AsyncExitStack, worker_id: str, slots: int) -> Worker:
    """One more worker, which tells the others of itself."""
    return await stack.enter_async_context(stand.app.worker({"q": slots}, worker_id=worker_id))


async def running(stand: Stand) -> Counter[str]:
    page = await (await stand.storage()).find(Filter(states=frozenset({State.RUNNING})), limit=1_000)
    return Counter(str(job.worker) for job in page.jobs)


def sleeper(stand: Stand, seconds: float = 1.0) -> Any:
    """A task that takes so long."""

    @stand.app.task(name="sleep", queue="q")
    async def sleep() -> None:
        await stand.pass_time(seconds)

    return sleep


async def test_equal_workers_get_the_same_or_one_more_and_the_rest_goes_round(stand: Stand) -> None:
    stand.app.queue("q", concurrency=7)
    sleep = sleeper(stand)
    await stand.app.aenqueue_many([sleep.call() for _ in range(1_000)])
    async with AsyncExitStack() as stack:
        for worker_id in "abc":
            await join(stand, stack, worker_id, 5)
        most: Counter[str] = Counter()
        for _ in range(60):
            await stand.pass_time(1)
            shares = await running(stand)
            assert sum(shares.values()) <= 7
            most.update([worker for worker, share in shares.items() if share == 3])
        assert sorted((await running(stand)).values()) == [2, 2, 3]
        assert set(most) == set("abc"), "each had the place that is left over"
        assert max(most.values()) - min(most.values()) <= 12
        assert (await stand.app.acounts())["q"][State.COMPLETED] > 380


async def test_who_has_few_slots_leaves_the_rest_to_the_others(stand: Stand) -> None:
    """From the first claim on: a worker looks before it claims."""
    stand.app.queue("q", concurrency=10)
    sleep = sleeper(stand, 20)
    await stand.app.aenqueue_many([sleep.call() for _ in range(30)])
    slots = {"a": 2, "b": 9, "c": 9}
    for worker_id in slots:
        await tell(stand, worker_id, q=slots[worker_id])
        await (await stand.storage()).beat(worker_id, (), 30)
    async with AsyncExitStack() as stack:
        for worker_id in slots:
            await join(stand, stack, worker_id, slots[worker_id])
        await stand.pass_time(5)
        assert await running(stand) == {"a": 2, "b": 4, "c": 4}


async def test_with_more_workers_than_places_everybody_has_turns(stand: Stand) -> None:
    stand.app.queue("q", concurrency=2)
    done: Counter[str] = Counter()

    @stand.app.task(queue="q")
    async def work() -> None:
        await stand.pass_time(0.5)

    await stand.app.aenqueue_many([work.call() for _ in range(500)])
    async with AsyncExitStack() as stack:
        for worker_id in "abcde":
            await join(stand, stack, worker_id, 4)
        for _ in range(100):
            shares = await running(stand)
            assert sum(shares.values()) <= 2
            done.update(shares)
            await stand.pass_time(0.5)
    assert set(done) == set("abcde")
    assert max(done.values()) - min(done.values()) <= 10


async def test_the_share_of_a_worker_that_vanished_goes_to_the_others(stand: Stand) -> None:
    stand.app.queue("q", concurrency=4)
    sleep = sleeper(stand)
    await stand.app.aenqueue_many([sleep.call() for _ in range(500)])
    await tell(stand, "gone", q=4)
    await (await stand.storage()).beat("gone", (), 30)
    async with AsyncExitStack() as stack:
        await join(stand, stack, "here", 4)
        await stand.pass_time(10)
        assert await running(stand) == {"here": 2}
        await stand.pass_time(25)
        assert await running(stand) == {"here": 4}


async def test_a_new_ceiling_counts_at_once(stand: Stand) -> None:
    stand.app.queue("q", concurrency=2)
    sleep = sleeper(stand)
    await stand.app.aenqueue_many([sleep.call() for _ in range(500)])
    async with AsyncExitStack() as stack:
        for worker_id in "ab":
            await join(stand, stack, worker_id, 5)
        await stand.pass_time(5.5)
        assert await running(stand) == {"a": 1, "b": 1}
        for ceiling, shares in ((8, [4, 4]), (3, [1, 2]), (None, [5, 5]), (1, [1])):
            await stand.app.ascale("q", ceiling)
            await stand.pass_time(0.01)
            if sum(shares) > sum((await running(stand)).values()):
                raise AssertionError("free places are not used")
            await stand.pass_time(1.5)
            assert sorted((await running(stand)).values()) == shares


async def test_a_worker_that_the_others_dont_know_goes_by_the_ceiling_alone(stand: Stand) -> None:
    stand.app.queue("q", concurrency=3)
    storage = await stand.storage()
    await tell(stand, "other", q=3)
    await storage.beat("other", (), 30)
    sharer = Sharer("unknown", storage, {"q": 5}, lambda: None)
    await sharer.look()
    assert dict(sharer.shares) == {}
    await tell(stand, "unknown", q=5)
    await storage.beat("unknown", (), 30)
    await sharer.look()
    assert dict(sharer.shares) in ({"q": 1}, {"q": 2})


async def test_a_place_that_somebody_else_leaves_is_taken_at_once(stand: Stand) -> None:
    stand.app.queue("q", concurrency=1)
    sleep = sleeper(stand)
    await sleep.aenqueue()
    (claim,) = await stand.app.aclaim("q")
    await sleep.aenqueue()
    async with stand.app.worker({"q": 5}, worker_id="w"):
        await stand.pass_time(5.3)
        await stand.app.aack(claim)
        await stand.pass_time(0.01)
        assert await running(stand) == {"w": 1}


async def test_without_ceilings_a_look_is_one_read(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await stand.storage()
    await stand.app.ascale("other", 3)
    watch = Watch(storage, monkeypatch)
    sharer = Sharer("w", storage, {"q": 5}, lambda: None)
    assert await sharer.look() == 3.0
    assert (dict(sharer.shares), dict(watch.calls)) == ({}, {"records of queue": 1})
