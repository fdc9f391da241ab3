"""The small parts by themselves: the loop, the coalescer, the lanes, the bus."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from stand import gaps_of, settle_loop

from headrace.runtime import coalescer, events
from headrace.runtime.coalescer import Coalescer
from headrace.runtime.events import Bus, Event
from headrace.runtime.lanes import Lanes
from headrace.runtime.loop import Loop, jittered, wait_for
from headrace.testing.clock import NothingCanHappen, VirtualClock, VirtualLoop, VirtualSpawn

pytestmark = pytest.mark.anyio


# --- virtual time -----------------------------------------------------------------------------------------------------


async def test_virtual_time_jumps_and_keeps_the_order_of_timers() -> None:
    clock = VirtualClock()
    order: list[float] = []

    async def note(seconds: float) -> None:
        await clock.sleep(seconds)
        order.append(seconds)

    begun, wall = clock.monotonic(), clock.wall()
    await asyncio.gather(note(3600), note(1), note(60))
    assert order == [1, 60, 3600]
    assert clock.monotonic() - begun == pytest.approx(3600)
    assert clock.wall() - wall == 3_600_000


def test_in_virtual_time_a_deadlock_is_an_error_and_no_hang() -> None:
    loop = VirtualLoop()
    future = loop.create_future()
    with pytest.raises(NothingCanHappen):
        loop.run_until_complete(future)
    loop.close()


# --- the loop ---------------------------------------------------------------------------------------------------------


def looped(step: Any, reports: list[Any] | None = None) -> Loop:
    return Loop("test", step, lambda: 0.5, lambda who, error: (reports if reports is not None else []).append(error))


async def test_a_loop_steps_after_each_delay_until_it_is_stopped() -> None:
    clock = VirtualClock()
    steps: list[float] = []

    async def step() -> float:
        steps.append(clock.monotonic())
        if len(steps) == 4:
            loop.stop()
        return 5

    loop = looped(step)
    begun = clock.monotonic()
    await loop.run()
    assert [round(at - begun) for at in steps] == [0, 5, 10, 15]


async def test_a_failing_step_is_reported_and_tried_again_later_each_time() -> None:
    clock = VirtualClock()
    steps: list[float] = []
    reports: list[BaseException] = []

    async def step() -> float:
        steps.append(clock.monotonic())
        if len(steps) < 12:
            raise ValueError(len(steps))
        loop.stop()
        return 0

    loop = looped(step, reports)
    await loop.run()
    gaps = gaps_of(steps)
    assert gaps[:3] == pytest.approx([0.1, 0.2, 0.4], abs=0.001)
    assert gaps[-1] == pytest.approx(10, abs=0.001)
    assert len(reports) == 11


async def test_a_wake_ends_the_wait_of_a_loop() -> None:
    clock = VirtualClock()
    steps: list[float] = []

    async def step() -> float:
        steps.append(clock.monotonic())
        return 100

    loop = looped(step)
    task = asyncio.create_task(loop.run())
    await clock.sleep(1)
    loop.wake()
    await clock.sleep(1)
    loop.stop()
    await task
    assert [round(at - steps[0]) for at in steps] == [0, 1]


async def test_waiting_for_an_event_tells_whether_it_came() -> None:
    event = asyncio.Event()
    assert not await wait_for(event, 1)
    event.set()
    assert await wait_for(event, 1)


def test_jitter_is_a_tenth_both_ways() -> None:
    assert [jittered(10, lambda share=share: share) for share in (0.0, 0.5)] == [9, 10]
    assert jittered(10, lambda: 0.999) < 11


# --- the coalescer ----------------------------------------------------------------------------------------------------


class Gathering:
    """A coalescer over a storage call that takes a second, and what went through it."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.error: BaseException | None = None
        self.clock = VirtualClock()
        self.coalescer: Coalescer[int, asyncio.Future[int], int] = Coalescer(self._call, self._deliver, self._fail)

    async def _call(self, items: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(items))
        await self.clock.sleep(1)
        if self.error is not None:
            raise self.error
        return [item * 10 for item in items]

    def _deliver(self, owners: Any, answers: Any) -> None:
        for owner, answer in zip(owners, answers, strict=True):
            if not owner.done():
                owner.set_result(answer)

    def _fail(self, owners: Any, error: BaseException) -> None:
        for owner in owners:
            if not owner.done():
                owner.set_exception(error)

    def add(self, item: int) -> "asyncio.Future[int]":
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.coalescer.add(item, future)
        return future


async def test_what_comes_while_a_call_is_in_flight_goes_out_in_the_next() -> None:
    gathering = Gathering()
    first = gathering.add(1)
    await settle_loop()
    others = [gathering.add(n) for n in (2, 3, 4)]
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert gathering.calls == [[1], [2, 3, 4]]


async def test_one_call_carries_no_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescer, "MOST", 3)
    gathering = Gathering()
    assert await asyncio.gather(*[gathering.add(n) for n in range(8)]) == [n * 10 for n in range(8)]
    assert [len(call) for call in gathering.calls] == [3, 3, 2]


async def test_an_error_reaches_the_owners_of_its_call_only() -> None:
    gathering = Gathering()
    gathering.error = ValueError("busy")
    failed = [gathering.add(1), gathering.add(2)]
    assert {type(answer) for answer in await asyncio.gather(*failed, return_exceptions=True)} == {ValueError}
    gathering.error = None
    assert await gathering.add(3) == 30


async def test_an_owner_that_was_cancelled_takes_nobody_along() -> None:
    gathering = Gathering()
    owners = [gathering.add(n) for n in range(3)]
    await settle_loop()
    owners[1].cancel()
    assert await asyncio.gather(owners[0], owners[2]) == [0, 20]


async def test_a_flush_waits_for_all_that_was_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescer, "MOST", 1)
    gathering = Gathering()
    owners = [gathering.add(n) for n in range(3)]
    await gathering.coalescer.flush()
    assert all(owner.done() for owner in owners)


async def test_one_caller_after_another_needs_no_new_task() -> None:
    gathering = Gathering()
    assert await gathering.add(1) == 10
    draining = gathering.coalescer._draining
    assert await gathering.add(2) == 20
    assert gathering.coalescer._draining is draining
    await gathering.coalescer.flush()
    assert gathering.coalescer._draining is None


# --- lanes ------------------------------------------------------------------------------------------------------------


async def test_lanes_join_waits_for_lanes_that_lanes_started() -> None:
    clock = VirtualClock()
    ended: list[Any] = []

    async def run(attempt: Any, _: object) -> None:
        await clock.sleep(attempt.length)
        ended.append(attempt)

    lanes = Lanes(run, clock)
    lanes.put([SimpleNamespace(length=length) for length in (0.1, 0.1, 5, 5, 5, 5)])  # type: ignore[misc]
    assert await lanes.join(10)
    assert len(ended) == 6
    lanes.put([SimpleNamespace(length=5)])  # type: ignore[list-item]
    assert not await lanes.join(1)
    assert await lanes.join(10)


async def test_lanes_let_the_loop_turn_though_no_handler_waits() -> None:
    class Ticking(VirtualClock):
        ticks = 0.0

        def monotonic(self) -> float:
            self.ticks += 0.001
            return self.ticks

    turned: list[int] = []
    done: list[Any] = []

    async def run(attempt: Any, _: object) -> None:
        done.append(attempt)

    lanes = Lanes(run, Ticking())
    lanes.put([SimpleNamespace() for _ in range(100)])  # type: ignore[misc]
    asyncio.get_running_loop().call_soon(lambda: turned.append(len(done)))
    await lanes.join(1)
    assert len(done) == 100
    assert turned[0] < 50


# --- the bus ----------------------------------------------------------------------------------------------------------


def event(n: int) -> Event:
    return Event(events.COMPLETED, str(n), "t", "q", 1, "w", 0)


async def test_a_bus_that_is_behind_drops_the_oldest_and_releases_who_waits_for_them() -> None:
    bus = Bus(VirtualSpawn(), lambda who, error: None)
    seen: list[str] = []
    bus.on(events.COMPLETED, lambda event: seen.append(event.job_id))
    flushed = asyncio.create_task(bus.flush())
    for n in range(10_001):
        bus.emit(event(n))
        if n == 0:
            await asyncio.wait([flushed], timeout=0)
            flushed = asyncio.create_task(bus.flush())
    await bus.close()
    await flushed
    assert seen[-1] == "10000"
    assert bus.dropped == 10_001 - len(seen)


async def test_a_bus_that_nobody_used_closes_without_a_thread() -> None:
    await Bus(VirtualSpawn(), lambda who, error: None).close()


async def test_events_after_the_close_start_nothing() -> None:
    bus = Bus(VirtualSpawn(), lambda who, error: None)
    await bus.close()
    before = asyncio.all_tasks()
    bus.emit(event(1))
    await bus.flush()
    assert asyncio.all_tasks() == before
