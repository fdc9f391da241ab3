"""Who leads: one worker of all, for certain no longer than its lease lasts. In virtual time."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand import Stand

from headrace.model.errors import StoreBusy
from headrace.model.record import LEASE, Put, Record
from headrace.runtime.leader import EARLY, Leader, Leadership
from headrace.runtime.worker import Worker
from headrace.storage.contract import Storage
from headrace.storage.memory import MemoryStorage
from headrace.system.clock import Clock
from headrace.testing.clock import VirtualClock, VirtualLoop

pytestmark = pytest.mark.anyio
TTL, PAUSE = 30.0, 5.0


class Candidate:
    """A leader, and the beats of its worker, which only the test sends."""

    def __init__(self, name: str, storage: Storage, clock: Clock) -> None:
        self.name, self.storage, self.clock = name, storage, clock
        self.beaten_at = -math.inf
        self.leader = Leader(name, storage, clock, lambda: 0.5, PAUSE, lambda: self.beaten_at + TTL * (1 - EARLY))

    async def beat(self, ttl: float = TTL) -> None:
        self.beaten_at = self.clock.monotonic()
        await self.storage.beat(self.name, (), ttl)

    async def look(self) -> bool:
        """Beats, looks, and tells whether it leads."""
        await self.beat()
        await self.leader.step()
        return self.leader.leads


@pytest.fixture
async def storage(stand: Stand) -> AsyncIterator[MemoryStorage]:
    storage = MemoryStorage(stand.clock)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def pair(storage: MemoryStorage, stand: Stand) -> AsyncIterator[tuple[Candidate, Candidate]]:
    """Two workers, each with a handle of its own."""
    async with AsyncExitStack() as stack:
        candidates = []
        for name in ("a", "b"):
            handle = storage.sibling()
            await handle.open()
            stack.push_async_callback(handle.close)
            candidates.append(Candidate(name, handle, stand.clock))
        yield candidates[0], candidates[1]


async def _leadership(storage: Storage) -> Leadership:
    (record,) = await storage.records(LEASE)
    return msgspec.json.decode(record.value, type=Leadership)


Pair = tuple[Candidate, Candidate]


# --- one leads --------------------------------------------------------------------------------------------------------


async def test_the_first_who_looks_leads_at_once(pair: Pair, storage: MemoryStorage) -> None:
    first, second = pair
    assert not first.leader.leads
    assert await first.look()
    assert not await second.look()
    assert await _leadership(storage) == Leadership("a", 1)
    assert (first.leader.epoch, second.leader.epoch) == (1, 1)


async def test_a_look_says_when_the_next_one_is(pair: Pair) -> None:
    await pair[0].beat()
    assert await pair[0].leader.step() == PAUSE


async def test_it_goes_on_leading_and_writes_nothing_more(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    for _ in range(100):
        assert await first.look()
        assert not await second.look()
        await stand.pass_time(PAUSE)
    assert await storage.records(LEASE) == [Record(LEASE, "leader", '{"worker":"a","epoch":1}', 1)]


@pytest.mark.parametrize("before", ["nobody", "gone"])
async def test_of_two_who_look_at_once_one_leads(
    pair: Pair, storage: MemoryStorage, stand: Stand, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    if before == "gone":
        assert await Candidate("gone", storage, stand.clock).look()
        await stand.pass_time(TTL)
    both_read = asyncio.Barrier(2)
    for candidate in pair:

        async def late(puts: Any, put: Any = candidate.storage.put) -> Any:
            await both_read.wait()
            return await put(puts)

        monkeypatch.setattr(candidate.storage, "put", late)
    assert sorted(await asyncio.gather(*(candidate.look() for candidate in pair))) == [False, True]
    assert (await _leadership(storage)).epoch == 1 + (before == "gone")
    monkeypatch.undo()
    assert [await candidate.look() for candidate in pair].count(True) == 1


# --- taking over ------------------------------------------------------------------------------------------------------


async def test_nobody_takes_over_before_the_lease_has_run_out(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await stand.pass_time(TTL - 0.01)
    assert not await second.look()
    await stand.pass_time(0.01)
    assert await second.look()
    assert await _leadership(storage) == Leadership("b", 2)


async def test_beats_alone_keep_a_leader_that_does_not_look(pair: Pair, stand: Stand) -> None:
    first, second = pair
    await first.look()
    for _ in range(20):
        await stand.pass_time(10)
        await first.beat()
        assert not await second.look()


async def test_one_that_ended_is_followed_at_once(pair: Pair) -> None:
    first, second = pair
    await first.look()
    await first.beat(ttl=0)
    assert await second.look()


async def test_a_leader_that_was_forgotten_is_followed(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await stand.pass_time(TTL)
    await second.beat()
    await storage.reclaim("b", 10)
    assert set(await storage.leases()) == {"b"}
    assert await second.look()


async def test_the_epoch_rises_with_every_leader(pair: Pair, stand: Stand) -> None:
    for epoch in range(1, 7):
        candidate = pair[epoch % 2]
        assert await candidate.look()
        assert candidate.leader.epoch == epoch
        await stand.pass_time(TTL)
    assert pair[0].leader.epoch == 6


# --- for certain ------------------------------------------------------------------------------------------------------


async def test_it_stops_a_tenth_of_the_lease_early(pair: Pair, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await stand.pass_time(TTL * (1 - EARLY) - 0.01)
    assert first.leader.leads
    await stand.pass_time(0.02)
    assert not first.leader.leads
    assert not await second.look()


async def test_one_that_beats_again_has_to_look_first(pair: Pair, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await stand.pass_time(TTL)
    assert await second.look()
    await first.beat()
    assert not first.leader.leads
    assert not await first.look()
    assert second.leader.leads


async def test_one_that_beats_again_before_anybody_took_over_leads_on(
    pair: Pair, storage: MemoryStorage, stand: Stand
) -> None:
    first, _ = pair
    await first.look()
    await stand.pass_time(TTL * 3)
    assert not first.leader.leads
    assert await first.look()
    assert await _leadership(storage) == Leadership("a", 1)


async def test_a_beat_after_the_look_proves_nothing_about_the_look(pair: Pair, stand: Stand) -> None:
    """What was read stands for the lease as it was then: by now somebody may have taken over."""
    first, _ = pair
    await first.look()
    await stand.pass_time(TTL * (1 - EARLY))
    await first.beat()
    assert not first.leader.leads
    assert await first.look()


async def test_one_whose_own_lease_is_over_takes_nothing_over(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await second.beat()
    await stand.pass_time(TTL)
    await second.leader.step()
    assert not second.leader.leads
    assert await _leadership(storage) == Leadership("a", 1)


# --- resigning --------------------------------------------------------------------------------------------------------


async def test_who_resigns_is_followed_at_once_and_the_epoch_goes_on(pair: Pair, storage: MemoryStorage) -> None:
    first, second = pair
    await first.look()
    await first.leader.resign()
    assert not first.leader.leads
    assert await _leadership(storage) == Leadership("", 1)
    assert await second.look()
    assert await _leadership(storage) == Leadership("b", 2)


async def test_who_does_not_lead_resigns_nothing(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    await second.leader.resign()
    assert await storage.records(LEASE) == []
    await first.look()
    await second.look()
    await second.leader.resign()
    await first.leader.resign()
    await first.leader.resign()
    assert await _leadership(storage) == Leadership("", 1)


async def test_who_was_followed_unseen_can_no_longer_resign(pair: Pair, storage: MemoryStorage, stand: Stand) -> None:
    first, second = pair
    await first.look()
    await stand.pass_time(TTL)
    await second.look()
    await first.leader.resign()
    assert second.leader.leads
    assert await _leadership(storage) == Leadership("b", 2)


# --- errors of the storage --------------------------------------------------------------------------------------------


def _busy(*_: Any, **__: Any) -> Any:
    raise StoreBusy("jobs.db", 1)


@pytest.mark.parametrize("call", ["records", "leases", "put"])
async def test_where_a_call_fails_nobody_leads_and_the_next_look_makes_good(
    pair: Pair, stand: Stand, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    first, second = pair
    await second.look()
    await stand.pass_time(TTL)
    with monkeypatch.context() as patch:
        patch.setattr(first.storage, call, _busy)
        with pytest.raises(StoreBusy):
            await first.look()
        assert not first.leader.leads
    assert await first.look()
    assert first.leader.epoch == 2


async def test_a_leader_that_cannot_look_leads_on_what_it_knows(
    pair: Pair, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    await first.look()
    monkeypatch.setattr(first.storage, "records", _busy)
    await stand.pass_time(10)
    with pytest.raises(StoreBusy):
        await first.look()
    assert first.leader.leads
    await stand.pass_time(TTL * (1 - EARLY) - 10)
    assert not first.leader.leads
    assert not await second.look()


async def test_a_take_over_whose_answer_was_lost_is_found_at_the_next_look(
    pair: Pair, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    put = first.storage.put

    async def answer_lost(puts: Any) -> Any:
        await put(puts)
        raise StoreBusy("jobs.db", 1)

    with monkeypatch.context() as patch:
        patch.setattr(first.storage, "put", answer_lost)
        with pytest.raises(StoreBusy):
            await first.look()
    assert not first.leader.leads
    assert not await second.look()
    assert await first.look()
    assert await _leadership(storage) == Leadership("a", 1)


# --- never two --------------------------------------------------------------------------------------------------------

moves = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["beat", "beat", "look", "beat and look", "beat and look", "resign", "end", "forget"]),
        st.sampled_from([0.0, 0.0, 0.1, PAUSE, TTL * (1 - EARLY), TTL]),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(moves)
def test_whatever_happens_no_two_lead_at_once(moves: list[tuple[int, str, float]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_play(moves))


async def _play(moves: list[tuple[int, str, float]]) -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    await storage.open()
    candidates = [Candidate(name, storage, clock) for name in "ab"]
    highest = 0
    for who, what, pause in moves:
        candidate = candidates[who]
        match what:
            case "beat":
                await candidate.beat()
            case "look":
                await candidate.leader.step()
            case "beat and look":
                await candidate.look()
            case "resign":
                await candidate.leader.resign()
            case "end":
                await candidate.leader.resign()
                await candidate.beat(ttl=0)
                candidate.beaten_at = -math.inf
            case _:
                await storage.reclaim(candidate.name, 10)
        leading = [other for other in candidates if other.leader.leads]
        assert len(leading) <= 1
        for leader in leading:
            assert leader.leader.epoch >= highest
            highest = leader.leader.epoch
        await clock.sleep(pause)


# --- workers ----------------------------------------------------------------------------------------------------------


def _leaders(*workers: Worker) -> list[str]:
    return [worker.id for worker in workers if worker._housekeeping.leader.leads]


async def test_one_of_many_workers_leads_and_its_end_makes_another_lead_soon(stand: Stand) -> None:
    async with stand.app.worker() as first, stand.app.worker() as second:
        await stand.pass_time(1)
        (leading,) = _leaders(first, second)
        leader, other = (first, second) if leading == first.id else (second, first)
        await stand.pass_time(100)
        assert _leaders(first, second) == [leader.id]
        await leader.stop()
        assert _leaders(first, second) == []
        await stand.pass_time(PAUSE * 1.1)
        assert _leaders(first, second) == [other.id]
        assert other._housekeeping.leader.epoch == 2


async def test_a_worker_without_a_heartbeat_is_followed_once_its_lease_is_over(stand: Stand) -> None:
    async with stand.zombie() as zombie:
        await stand.pass_time(1)
        async with stand.app.worker() as other:
            led: list[tuple[float, list[str]]] = []
            for _ in range(400):
                leading = _leaders(zombie, other)
                if not led or led[-1][1] != leading:
                    led.append((stand.now, leading))
                await stand.pass_time(0.1)
            assert [leading for _, leading in led] == [[zombie.id], [], [other.id]]
            (begun, _), (ended, _), (followed, _) = led
            assert ended - begun == pytest.approx(TTL * (1 - EARLY) - 1, abs=0.11)
            assert TTL * EARLY - 0.11 <= followed - ended <= TTL * EARLY + PAUSE * 1.1


async def test_errors_of_a_look_are_reported_and_the_worker_goes_on(stand: Stand) -> None:
    async with stand.app.worker() as worker:
        await stand.pass_time(1)
        leader = worker._housekeeping.leader
        records = leader._storage.records
        leader._storage.records = _busy  # type: ignore[method-assign]
        await stand.pass_time(60)
        assert stand.reported(StoreBusy)
        assert not leader.leads
        leader._storage.records = records  # type: ignore[method-assign]
        await stand.pass_time(15)
        assert leader.leads
        assert leader.epoch == 1


async def test_a_resignation_that_fails_does_not_keep_a_worker_from_stopping(stand: Stand) -> None:
    async with stand.app.worker() as worker:
        await stand.pass_time(1)
        put = worker._housekeeping.leader._storage.put

        async def busy(puts: list[Put]) -> Any:
            if puts[0].kind == LEASE:
                raise StoreBusy("jobs.db", 1)
            return await put(puts)

        worker._housekeeping.leader._storage.put = busy  # type: ignore[method-assign]
    assert stand.reported(StoreBusy)
    storage = await stand.storage()
    del storage.put
    async with stand.app.worker() as next_one:  # its lease was ended all the same
        await stand.pass_time(1)
        assert next_one._housekeeping.leader.leads
        assert next_one._housekeeping.leader.epoch == 2
