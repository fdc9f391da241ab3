"""Every row of a store comes out of it, and goes into another; and what a mark refuses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pytest
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import APPLIED, STALE, carried
from headrace.model.errors import InvalidOption, NotBeingFilled, StoreMoved
from headrace.model.job import Encoding, Job, Notes, Options, Until
from headrace.model.mark import Mark, Progress, Role
from headrace.model.outcome import Returned, Snoozed
from headrace.model.record import KV, LEASE, LIMIT, QUEUE, SCHEDULE, WORKER, Put, Record
from headrace.model.state import FINAL, State
from headrace.model.timeline import Entry
from headrace.runtime.loop import turn
from headrace.storage.contract import Demand, Filter, Keep, Storage
from headrace.storage.memory import MemoryStorage
from headrace.storage.moving import END, Hold, Kept, Row, place_of
from headrace.system.clock import ManualClock
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, PLAIN, Stage

SOURCE = Mark(Role.SOURCE, "postgresql://u:***@there/db", "m1")
TARGET = Mark(Role.TARGET, "sqlite:///jobs.db", "m1")


async def dump_all(storage: Storage, limit: int = 10_000) -> list[Row]:
    """Every row, page by page."""
    rows: list[Row] = []
    after: str | None = None
    while True:
        page = await storage.dump(limit=limit, after=after)
        assert len(page.rows) <= limit
        rows += page.rows
        after = page.next
        if after is None:
            return rows
        assert page.rows


async def fill(stage: Stage) -> None:
    """Rows of every kind, jobs in every state."""
    storage, now = stage.storage, stage.clock.wall()
    await stage.finished(queue="done", key="free again")
    await stage.dead(queue="done", options=Options(headers={"a": "é"}, retention={"dead": 60.0}))
    await stage.settle(await stage.running(queue="later"), FAILED)
    await stage.settle(await stage.running(queue="later"), Snoozed(5, "snoozed"))
    await stage.enqueue(queue="later", delay=60)
    cancelled = await stage.enqueue(queue="done", priority=3, encoding=Encoding.BYTES, payload="aGk=")
    await stage.apply(lifecycle.cancel(await stage.job(cancelled)))
    for until, window in ((Until.FINISHED, None), (Until.CLAIMED, None), (Until.WINDOW, 3600.0)):
        await stage.enqueue(queue="keys", key=f"k-{until}", until=until, window=window)
    running = await stage.running("busy", queue="runs", key="kept while it runs")
    await stage.apply(lifecycle.note(running, Notes(percent=50.0, message="half")))
    await stage.apply(lifecycle.stamp_alone(running))
    await stage.apply(lifecycle.cancel(running))
    await storage.put(
        [
            Put(QUEUE, "later", '{"paused":true}'),
            Put(SCHEDULE, "nightly", '{"cursor":1}'),
            Put(LIMIT, "slack", "{}", ttl=60.0),
            Put(LIMIT, "lapsed", "{}", ttl=1.0),
            Put(KV, "x", '"\\u0000é"'),
            Put(KV, "x", "2"),
            Put(LEASE, "leader", "{}"),
            Put(WORKER, "w", "{}"),
        ]
    )
    await storage.record([Entry(f"e{at}", kind, "q", now + at, "1") for at in (2, 0, 1) for kind in ("minute",)])
    await storage.record([Entry("an event", "event", "q", now, "{}"), Entry("B", "Minute", "q", now, "{}")])
    stage.clock.advance(2)


async def rows_of_another(clock: ManualClock) -> list[Row]:
    """What a store in memory holds that was filled so, beginning now."""
    clock = ManualClock(clock.wall())
    other = Stage(MemoryStorage(clock), clock)
    await other.storage.open()
    await fill(other)
    return await dump_all(other.storage)


class TestDump(Family):
    async def test_an_empty_store_has_no_rows(self, stage: Stage) -> None:
        assert await dump_all(stage.storage) == []

    async def test_every_row_as_memory_has_it(self, stage: Stage) -> None:
        rows = await rows_of_another(stage.clock)
        await fill(stage)
        assert await dump_all(stage.storage) == rows

    async def test_in_one_order(self, stage: Stage) -> None:
        await fill(stage)
        rows = await dump_all(stage.storage)
        assert [place_of(row) for row in rows] == sorted(place_of(row) for row in rows)
        assert {type(row) for row in rows} == {Job, Hold, Kept, Entry}

    async def test_pages_come_to_all_of_them_once(self, stage: Stage) -> None:
        await fill(stage)
        rows = await dump_all(stage.storage)
        for limit in (1, 3, 8, len(rows), len(rows) + 1):
            assert await dump_all(stage.storage, limit) == rows

    async def test_a_page_ends_where_its_rows_are_large(self, stage: Stage) -> None:
        large = '{"a":"' + "x" * 1_000_000 + '"}'
        ids = [await stage.enqueue(payload=large) for _ in range(12)]
        await stage.storage.put([Put(KV, f"{number:02}", f'"{large[6:-2]}"') for number in range(9)])
        rows: list[Row] = []
        after: str | None = None
        while True:
            page = await stage.storage.dump(limit=1_000, after=after)
            assert 0 < len(page.rows) <= 6
            rows += page.rows
            if page.next is None:
                break
            after = page.next
        assert [row.id for row in rows if isinstance(row, Job)] == ids
        assert len(rows) == 12 + 9

    async def test_a_running_job_waits_where_it_goes(self, stage: Stage) -> None:
        job = await stage.running()
        await stage.apply(lifecycle.stamp_alone(job))
        (row,) = await dump_all(stage.storage)
        assert isinstance(row, Job)
        assert row == carried(await stage.job(job.id))
        assert (row.state, row.attempt, row.generation) == (State.PENDING, 0, job.generation + 1)
        assert not row.alone
        assert (await stage.job(job.id)).state is State.RUNNING

    async def test_what_lapsed_and_what_means_nothing_elsewhere_stays(self, stage: Stage) -> None:
        puts = [Put(KV, "a", "1", ttl=5.0), Put(KV, "b", "1", ttl=10.0), Put(LEASE, "c", "1"), Put(WORKER, "d", "1")]
        await stage.storage.put(puts)
        stage.clock.advance(5)
        assert await dump_all(stage.storage) == [Kept(Record(KV, "b", "1", 1), 5.0)]

    async def test_the_cursor_behind_all(self, stage: Stage) -> None:
        await fill(stage)
        page = await stage.storage.dump(limit=10, after=END)
        assert (list(page.rows), page.next) == ([], None)

    async def test_what_is_no_cursor_is_refused(self, stage: Stage) -> None:
        for after in ("", "a", "[]", "[0]", "[9,[]]", "[-1,[]]", "[0,[1]]", '[1,["a"]]', '[3,["a","b","c"]]'):
            with pytest.raises(InvalidOption, match="after"):
                await stage.storage.dump(limit=10, after=after)


class TestLoad(Family):
    async def test_into_an_empty_store(self, stage: Stage) -> None:
        rows = await rows_of_another(stage.clock)
        await stage.storage.mark(TARGET)
        assert await stage.storage.load(rows, END) == len(rows)
        assert await dump_all(stage.storage) == rows
        assert await stage.storage.marked() == replace(TARGET, cursor=END)

    async def test_twice_is_once(self, stage: Stage) -> None:
        rows = await rows_of_another(stage.clock)
        await stage.storage.mark(TARGET)
        for start in (0, 0, 3, 8):
            await stage.storage.load(rows[start:], "c")
        counts = await stage.storage.count()
        assert await dump_all(stage.storage) == rows
        assert sum(counts.values()) == sum(isinstance(row, Job) for row in rows)

    async def test_another_row_under_an_id_is_replaced(self, stage: Stage) -> None:
        rows = await rows_of_another(stage.clock)
        await stage.storage.mark(TARGET)
        await stage.storage.load(rows, None)
        changed = [
            replace(row, queue="other", priority=7, state=State.PENDING, finished_at=None, generation=9)
            if isinstance(row, Job)
            else row
            for row in rows
        ]
        await stage.storage.load(changed, None)
        assert await dump_all(stage.storage) == changed
        jobs = [row for row in changed if isinstance(row, Job)]
        assert await stage.storage.count() == {("other", State.PENDING): len(jobs)}

    async def test_what_was_loaded_works(self, stage: Stage) -> None:
        """Counts, keys, ceilings and lines are as if it had grown here."""
        rows = await rows_of_another(stage.clock)
        await stage.storage.mark(TARGET)
        await stage.storage.load(rows, None)
        await stage.storage.mark(None)
        stage.clock.advance(3)  # new ids
        assert (await stage.insert(queue="keys", key="k-finished")).duplicate
        assert (await stage.insert(queue="keys", key="k-window")).duplicate
        assert (await stage.insert(queue="runs", key="kept while it runs")).duplicate
        assert not (await stage.insert(queue="done", key="free again")).duplicate
        assert [job.key for job in await stage.claim(queue="keys")] == ["k-finished", None, "k-window"]
        (again,) = await stage.claim(queue="runs")
        assert (again.attempt, again.generation, again.cancel_requested) == (1, 3, True)
        stage.clock.advance(100)
        assert list(await stage.claim(queue="later")) == []
        await stage.control("{}", queue="later")
        assert len(await stage.claim(queue="later")) == 3
        kept = dict.fromkeys(FINAL, Keep(0, 100))
        assert await stage.storage.prune(kept, 100, entries={"minute": 0.0}) == 3 + 3
        assert sum((await stage.storage.count()).values()) == len(await stage.ids())

    async def test_who_held_a_job_is_fenced(self, stage: Stage) -> None:
        held = await stage.running()
        rows = await dump_all(stage.storage)
        await stage.storage.mark(TARGET)
        await stage.storage.load(rows, None)
        await stage.storage.mark(None)
        assert await stage.storage.apply([lifecycle.hand_back(held)]) == [STALE]
        assert (await stage.storage.beat("w", [], 30.0)).lost == []
        (again,) = await stage.claim("w")
        assert await stage.storage.apply([lifecycle.hand_back(again)]) == [APPLIED]

    async def test_a_ttl_goes_on(self, stage: Stage) -> None:
        await stage.storage.mark(TARGET)
        await stage.storage.load([Kept(Record(KV, "a", "1", 7), 5.0), Kept(Record(KV, "b", "1", 3), None)], None)
        stage.clock.advance(4)
        assert await dump_all(stage.storage) == [
            Kept(Record(KV, "a", "1", 7), 1.0),
            Kept(Record(KV, "b", "1", 3), None),
        ]
        stage.clock.advance(1)
        assert list(await stage.storage.records(KV)) == [Record(KV, "b", "1", 3)]

    async def test_nothing_is_something_too(self, stage: Stage) -> None:
        await stage.storage.mark(TARGET)
        assert await stage.storage.load([], "c") == 0
        assert await stage.storage.marked() == replace(TARGET, cursor="c")

    async def test_into_no_other_store(self, stage: Stage) -> None:
        rows = await rows_of_another(stage.clock)
        for mark in (None, SOURCE):
            await stage.storage.mark(mark)
            with pytest.raises(NotBeingFilled, match="headrace move"):
                await stage.storage.load(rows, "c")
            assert await dump_all(stage.storage) == []
            assert await stage.storage.marked() == mark


class Marked(Stage):
    """A store on which each of these writes has something to do."""

    first = ""

    async def prepare(self) -> Job:
        """What this worker holds."""
        await self.abandoned(queue="left")
        held = await self.running()
        await self.finished(queue="over")
        self.first = await self.enqueue(queue="waits")
        await self.storage.put([Put(KV, "there", "1")])
        self.clock.advance(1)
        return held


Call = Callable[[Marked, Job], Awaitable[object]]
WRITES: dict[str, Call] = {
    "insert": lambda stage, _: stage.storage.insert([stage.new()]),
    "insert with a key": lambda stage, _: stage.storage.insert([stage.new(key="k")]),
    "insert with puts": lambda stage, _: stage.storage.insert([stage.new()], [Put(KV, "x", "1")]),
    "claim": lambda stage, _: stage.storage.claim("w", [Demand("waits", 1)]),
    "beat": lambda stage, _: stage.storage.beat("w", [], 30.0),
    "first beat": lambda stage, _: stage.storage.beat("new", [], 30.0),
    "last beat": lambda stage, _: stage.storage.beat("w", [], 0.0),
    "reclaim": lambda stage, _: stage.storage.reclaim("w", 10),
    "complete": lambda stage, job: stage.storage.apply([lifecycle.settle(job, Returned(), PLAIN, 0.5)]),
    "hand back": lambda stage, job: stage.storage.apply([lifecycle.hand_back(job)]),
    "put": lambda stage, _: stage.storage.put([Put(KV, "x", "1")]),
    "put again": lambda stage, _: stage.storage.put([Put(KV, "there", "2")]),
    "remove": lambda stage, _: stage.storage.put([Put(KV, "there", None)]),
    "delete": lambda stage, _: stage.storage.delete([stage.first]),
    "prune": lambda stage, _: stage.storage.prune(dict.fromkeys(FINAL, Keep(0, 0)), 10),
    "record": lambda stage, _: stage.storage.record([Entry("e", "minute", "q", 1, "1")]),
}


class TestMark(Family):
    @pytest.fixture
    async def marked(self, stage: Stage) -> AsyncIterator[Marked]:
        """Let go of at the end: the next test may be given the same store."""
        yield Marked(stage.storage, stage.clock)
        await stage.storage.mark(None)

    async def test_it_is_kept_as_it_is(self, marked: Marked) -> None:
        assert await marked.storage.marked() is None
        for mark in (SOURCE, replace(SOURCE, progress=Progress.MOVED), replace(SOURCE, other='it\'s \\ "é" %s $1 {x}')):
            await marked.storage.mark(mark)
            assert await marked.storage.marked() == mark
        await marked.storage.mark(None)
        await marked.storage.mark(None)
        assert await marked.storage.marked() is None
        assert await dump_all(marked.storage) == []

    @pytest.mark.parametrize("mark", [SOURCE, TARGET])
    async def test_writes_are_refused_and_change_nothing(self, marked: Marked, mark: Mark) -> None:
        held = await marked.prepare()
        before, leases = await dump_all(marked.storage), await marked.storage.leases()
        await marked.storage.mark(mark)
        for name, write in WRITES.items():
            with pytest.raises(StoreMoved) as refused:
                await write(marked, held)
            assert mark.other in str(refused.value), name
            assert "headrace move" in str(refused.value), name
        assert (await dump_all(marked.storage), await marked.storage.leases()) == (before, leases)
        await marked.storage.mark(None)
        for write in WRITES.values():
            await write(marked, held)
        assert await dump_all(marked.storage) != before

    async def test_every_handle_is_refused(self, marked: Marked) -> None:
        sibling = marked.storage.sibling()
        await sibling.open()
        await sibling.insert([marked.new()])
        await marked.storage.mark(SOURCE)
        with pytest.raises(StoreMoved):
            await sibling.insert([marked.new()])
        assert await sibling.marked() == SOURCE
        await marked.storage.mark(None)
        await sibling.insert([marked.new()])
        await sibling.close()

    async def test_the_text_says_what_it_is(self, marked: Marked) -> None:
        for mark, words in (
            (SOURCE, "is being moved to"),
            (replace(SOURCE, progress=Progress.MOVED), "was moved to"),
        ):
            await marked.storage.mark(mark)
            with pytest.raises(StoreMoved, match=words):
                await marked.insert()
        await marked.storage.mark(None)
        await marked.storage.mark(TARGET)
        with pytest.raises(StoreMoved, match="is being filled from"):
            await marked.insert()

    async def test_reads_go_on(self, marked: Marked) -> None:
        held = await marked.prepare()
        await marked.storage.mark(SOURCE)
        assert await marked.job(held.id) == held
        assert len((await marked.storage.find(Filter(), limit=10)).jobs) == 4
        assert await marked.number(State.RUNNING) == 1
        assert [record.name for record in await marked.storage.records(KV)] == ["there"]
        assert await marked.storage.next_due(["waits"]) == 0

    async def test_the_mark_of_another_move_stands(self, marked: Marked) -> None:
        await marked.storage.mark(SOURCE)
        with pytest.raises(StoreMoved, match="is being moved to"):
            await marked.storage.mark(replace(SOURCE, move="m2"))
        assert await marked.storage.marked() == SOURCE

    async def test_writes_beside_it_are_before_it_or_refused(self, marked: Marked) -> None:
        """What is acknowledged is in every dump that begins after the mark."""
        acknowledged: set[str] = set()
        sibling = marked.storage.sibling()
        await sibling.open()

        async def write() -> None:
            with suppress(StoreMoved):
                for _ in range(200):
                    acknowledged.add(await marked.enqueue())

        async def move() -> Sequence[Row]:
            while len(acknowledged) < 10:
                await turn()
            await sibling.mark(SOURCE)
            return await dump_all(sibling)

        _, rows = await asyncio.gather(write(), move())
        assert {row.id for row in rows if isinstance(row, Job)} == acknowledged
        await sibling.close()
