"""What is special to Memory: its line, what stays flat, and the loop and process that a handle belongs to."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model import lifecycle
from headrace.model.change import Change, In, Patch
from headrace.model.errors import AppClosed, WrongLoop
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.storage.contract import Demand, Filter, Keep
from headrace.storage.memory import MemoryStorage
from headrace.storage.memory.claiming import PROMOTED
from headrace.storage.memory.line import Line
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids
from headrace.system.machine import SystemSpawn

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ids(clock: ManualClock) -> Ids:
    return Ids(clock, seed=1)


@pytest.fixture
async def storage(clock: ManualClock):
    storage = MemoryStorage(clock)
    await storage.open()
    yield storage
    await storage.close()


def _new(ids: Ids, **fields) -> NewJob:
    return NewJob(**({"id": ids.new(), "task": "t", "queue": "q", "payload": "{}"} | fields))


def test_it_says_what_it_is():
    capabilities = MemoryStorage().capabilities
    assert (capabilities.name, capabilities.processes, capabilities.durable) == ("memory", "one", False)


# --- the line --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcdef")), unique=True), st.integers(0, 40))
def test_a_line_gives_its_entries_in_order_whatever_their_order_was(entries, most):
    line: Line[tuple[int, str]] = Line(lambda entry: True)
    for entry in entries:
        line.push(entry)
    taken = line.take(most)
    assert taken == sorted(entries)[:most]
    assert taken + line.take(100) == sorted(entries)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcdef")), unique=True),
    st.sets(st.sampled_from("abcdef")),
    st.integers(0, 10),
)
def test_a_line_drops_the_dead_and_stops_at_a_bound(entries, dead, bound):
    line: Line[tuple[int, str]] = Line(lambda entry: entry[1] not in dead)
    for entry in entries:
        line.push(entry)
    living = sorted(entry for entry in entries if entry[1] not in dead)
    assert line.first() == (living[0] if living else None)
    assert line.take(100, (bound,)) == [entry for entry in living if entry[0] < bound]
    assert line.take(100) == [entry for entry in living if entry[0] >= bound]


def test_an_entry_that_stands_twice_is_taken_once():
    line: Line[tuple[int, str]] = Line(lambda entry: True)
    for entry in ((1, "a"), (2, "b"), (1, "a"), (2, "b")):
        line.push(entry)
    assert line.take(10) == [(1, "a"), (2, "b")]


async def test_the_dead_never_outnumber_the_living_for_long(storage, ids):
    for _ in range(50):
        receipts = await storage.insert([_new(ids, delay=5.0 * (number % 2)) for number in range(40)])
        await storage.delete([receipt.id for receipt in receipts])
    lane = storage._store.rows.lanes["q"]
    assert len(lane.pending._run) + len(lane.pending._heap) < 200
    assert len(lane.later._run) + len(lane.later._heap) < 200


async def test_pruned_jobs_leave_nothing_behind(storage, ids, clock):
    await storage.beat("w", [], 1e9)
    for _ in range(50):
        await storage.insert([_new(ids) for _ in range(40)])
        jobs = await storage.claim("w", [Demand("q", 40)])
        await storage.apply([lifecycle.settle(job, Returned(), RetryPolicy(), 0.5) for job in jobs])
        await storage.prune({State.COMPLETED: Keep(86_400, 10)}, 1_000)
        clock.advance(1)
    rows = storage._store.rows
    assert len(rows.jobs) == 10
    assert len(rows.lanes["q"].finals[State.COMPLETED].ageing._run) < 200
    assert len(rows.lanes["q"].finals[State.COMPLETED].by_end._run) < 200
    await storage.find(Filter(), limit=5)
    assert len(rows._ids) < 200
    assert not rows.held_by


# --- promotion -------------------------------------------------------------------------------------------------------


async def test_one_claim_promotes_a_bounded_batch(storage, ids, clock):
    await storage.insert([_new(ids, delay=1.0) for _ in range(PROMOTED + 500)])
    clock.advance(1)
    await storage.beat("w", [], 30)
    await storage.claim("w", [Demand("q", 1)])
    assert (await storage.count())["q", State.SCHEDULED] == 500
    await storage.claim("w", [Demand("q", 1)])
    assert ("q", State.SCHEDULED) not in await storage.count()


async def test_a_claim_looks_at_no_more_than_it_takes(storage, ids):
    """With many jobs waiting, due and not, in many queues, a claim of three reads three entries."""
    await storage.insert([_new(ids, delay=60.0, priority=0) for _ in range(2_000)])
    await storage.insert([_new(ids, queue=f"q{number}") for number in range(1_000)])
    await storage.insert([_new(ids) for _ in range(2_000)])
    looked = 0

    def counted(lives):
        def look(entry):
            nonlocal looked
            looked += 1
            return lives(entry)

        return look

    for lane in storage._store.rows.lanes.values():
        lane.pending._lives = counted(lane.pending._lives)
        lane.later._lives = counted(lane.later._lives)
    await storage.beat("w", [], 30)
    assert len(await storage.claim("w", [Demand("q", 3)])) == 3
    assert looked == 3


# --- loops and processes ---------------------------------------------------------------------------------------------


async def test_a_handle_that_was_not_opened_is_refused(clock):
    with pytest.raises(WrongLoop):
        await MemoryStorage(clock).now()


async def test_a_closed_handle_says_so(storage, ids):
    await storage.close()
    with pytest.raises(AppClosed):
        await storage.insert([_new(ids)])


def test_another_loop_is_refused_and_a_sibling_is_welcome(clock, ids):
    storage = MemoryStorage(clock)
    asyncio.run(storage.open())

    async def elsewhere() -> int:
        for call in (storage.open(), storage.now(), storage.insert([_new(ids)])):
            with pytest.raises(WrongLoop, match=r"sibling\(\)"):
                await call
        with pytest.raises(WrongLoop):
            storage.listen(["queue:q"])
        sibling = storage.sibling()
        await sibling.open()
        return len(await sibling.insert([_new(ids)]))

    assert asyncio.run(elsewhere()) == 1


async def test_a_forked_child_is_refused(storage, clock, ids, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: -1)
    for handle in (storage, storage.sibling()):
        with pytest.raises(WrongLoop):
            await handle.open()


async def test_no_call_is_made_for_a_listener_whose_loop_is_closed(storage, ids):
    sibling = storage.sibling()

    async def listen() -> None:
        await sibling.open()
        sibling.listen(["queue:q"])

    await SystemSpawn().host("listener", listen).join()
    assert len(await storage.insert([_new(ids)])) == 1


# --- a wait ----------------------------------------------------------------------------------------------------------


async def test_closing_a_listener_ends_its_wait(storage):
    listener = storage.listen(["queue:q"])
    wait = asyncio.ensure_future(listener.wait(60))
    asyncio.get_running_loop().call_soon(listener.close)
    assert await wait is False


async def test_a_cancelled_wait_leaves_the_listener_whole(storage, ids):
    listener = storage.listen(["queue:q"])
    wait = asyncio.ensure_future(listener.wait(60))
    asyncio.get_running_loop().call_soon(wait.cancel)
    with pytest.raises(asyncio.CancelledError):
        await wait
    await storage.insert([_new(ids)])
    assert await listener.wait(1) is True
    listener.close()


async def test_nobody_listens_once_all_are_closed(storage):
    listeners = [storage.listen(["queue:q", "job:1"]), storage.listen(["queue:q"])]
    assert storage._store.notices.wanted()
    for listener in listeners:
        listener.close()
    assert not storage._store.notices.wanted()


# --- what runs is counted, never kept --------------------------------------------------------------------------------


async def test_rows_and_counts_agree_after_changes_that_move_nothing(storage, ids):
    await storage.insert([_new(ids)])
    await storage.beat("w", [], 30)
    (job,) = await storage.claim("w", [Demand("q", 1)])
    every = In(frozenset(State))
    await storage.apply([Change(job.id, every, Patch(alone=True)), Change(job.id, every, Patch(cancel_requested=True))])
    assert await storage.count() == {("q", State.RUNNING): 1}
    assert storage._store.rows.held_by == {"w": {job.id}}
