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
from headrace.model.record import Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Filter, Keep
from headrace.storage.memory import MemoryStorage
from headrace.storage.memory.claiming import PROMOTED
from headrace.storage.memory.line import Line, take_first
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


entries_of_lines = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), st.sampled_from("abcdef")), unique_by=lambda entry: entry[2]
)


@given(entries_of_lines, st.sets(st.sampled_from("abcdef")), st.tuples(*[st.integers(-1, 10)] * 3), st.integers(0, 7))
def test_the_first_of_many_lines_are_the_first_of_all_each_up_to_its_own_bound(entries, dead, bounds, most):
    lines: list[Line[tuple[int, str]]] = [Line(lambda entry: entry[1] not in dead) for _ in range(3)]
    for place, at, name in entries + entries[::-1]:  # each stands there twice
        lines[place].push((at, name))
    living = sorted((at, name, place) for place, at, name in entries if name not in dead)
    within = [(at, name) for at, name, place in living if at <= bounds[place]]
    taken = take_first(zip(lines, bounds, strict=True), most)
    assert taken == within[:most]
    left = take_first([(line, 10) for line in lines], 100)
    assert left == [(at, name) for at, name, _ in living if (at, name) not in taken]


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


async def test_lapsed_records_and_old_entries_leave_nothing_behind(storage, clock):
    for number in range(100):
        await storage.put([Put("lease", f"{number}", "1", ttl=1.0), Put("kv", f"{number % 5}", "1")])
        await storage.record([Entry(f"{number}", "minute", "q", clock.wall(), "1")])
        clock.advance(1)
        await storage.prune({}, 100, entries={"minute": 5.0})
    records, timeline = storage._store.records, storage._store.timeline
    assert [kind for kind, _ in records._kept] == ["kv"] * 5
    assert records._lapsing == set()
    assert len(timeline._entries) == len(timeline._order["minute"]) == 4
    await storage.put([Put("kv", "0", "1", ttl=1.0), Put("kv", "0", "2")])
    await storage.put([Put("kv", "gone", "1", ttl=1.0), Put("kv", "gone", None)])
    assert records._lapsing == set()
    clock.advance(1)
    await storage.prune({}, 100)
    assert len(await storage.records("kv")) == 5


async def test_a_queue_without_final_jobs_has_no_lines_for_them(storage, ids):
    await storage.insert([_new(ids, queue=f"q{number}") for number in range(100)])
    assert [lane.finals for lane in storage._store.rows.lanes.values()] == [{}] * 100


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
