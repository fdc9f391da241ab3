"""A move that is broken off at any call, and done again: nothing is lost or doubled, and no two stores are used."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.errors import AnswerLost, MoveFailed, MoveRefused, StoreMoved, StoreUnreachable
from headrace.model.job import Job, NewJob
from headrace.model.mark import Progress, Role
from headrace.model.moving import Step
from headrace.model.record import KV, QUEUE, Put
from headrace.model.state import State
from headrace.model.timeline import Entry
from headrace.runtime import moving
from headrace.runtime.moving import End, Move, Moved, take_back
from headrace.storage.contract import Demand, Storage
from headrace.storage.memory import MemoryStorage
from headrace.storage.moving import Row
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids
from headrace.testing.failing import FailingStorage, Fault, Faults

pytestmark = pytest.mark.anyio

JOBS = 11
LOST = Fault(lambda: AnswerLost("the store", "cut"), applied=True)
REFUSED = Fault(lambda: StoreUnreachable("the store", "cut"))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PAGE", 4)


class Stage:
    """Two stores on one clock, and calls that fail."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ids = Ids(self.clock, seed=1)
        self.source, self.target = MemoryStorage(self.clock), MemoryStorage(self.clock)
        self.faults = Faults()

    async def open(self) -> None:
        await self.source.open()
        await self.target.open()

    async def fill(self) -> None:
        """Jobs that wait, that run and that are final; keys, records, entries. Nobody lives there any more."""
        jobs = [NewJob(self.ids.new(), "t", "q", f'{{"n":{n}}}', key=f"k{n}", delay=n % 2) for n in range(JOBS)]
        await self.source.insert(jobs)
        await self.source.beat("w", [], 30.0)
        held = await self.source.claim("w", [Demand("q", 4)])
        await self.source.apply([lifecycle.complete(job, lifecycle.Returned()) for job in held[:2]])
        await self.source.put([Put(QUEUE, "q", '{"paused":true}'), Put(KV, "x", "1"), Put(KV, "y", "1", ttl=60.0)])
        await self.source.record([Entry(f"e{n}", "minute", "q", n, "1") for n in range(5)])
        await self.source.beat("w", [], 0.0)

    def move(self, *, force: bool = False) -> Move:
        """One call of the command."""
        source: Storage = FailingStorage(self.source, self.faults)
        target: Storage = FailingStorage(self.target, self.faults)
        return Move(End(source, "A"), End(target, "B"), self.clock, self.ids.new, force=force)

    async def run(self, *, force: bool = False) -> Moved:
        return await self.move(force=force).run(lambda rows: None)


@pytest.fixture
async def stage() -> Stage:
    made = Stage()
    await made.open()
    await made.fill()
    return made


async def rows_of(storage: Storage) -> Sequence[Row]:
    return (await storage.dump(limit=1_000)).rows


async def test_all_of_it_is_there_and_the_source_says_so(stage: Stage) -> None:
    before = await rows_of(stage.source)
    moved = await stage.run()
    assert await rows_of(stage.target) == before
    assert moved.census is not None
    assert moved.census.rows == moved.carried == len(before)
    assert sum(moved.census.jobs.values()) == JOBS
    assert moved.census.jobs["completed"] == 2
    assert await stage.target.marked() is None
    mark = await stage.source.marked()
    assert mark is not None
    assert (mark.role, mark.other, mark.progress) == (Role.SOURCE, "B", Progress.MOVED)
    with pytest.raises(StoreMoved):
        await stage.source.insert([NewJob(stage.ids.new(), "t", "q", "{}")])
    await stage.target.insert([NewJob(stage.ids.new(), "t", "q", "{}")])


@pytest.mark.parametrize("fault", [LOST, REFUSED])
async def test_broken_off_at_any_call_it_goes_on(fault: Fault) -> None:
    number = 0
    while True:
        number += 1
        stage = Stage()
        await stage.open()
        await stage.fill()
        before = await rows_of(stage.source)
        stage.faults.fail_call(number, fault)
        try:
            await stage.run()
        except (AnswerLost, StoreUnreachable):
            await at_most_one_is_used(stage)
            await stage.run()
        if not stage.faults.met:
            break
        assert await rows_of(stage.target) == await rows_of(stage.source) == before
        assert await stage.target.marked() is None
        await at_most_one_is_used(stage)
    assert number > 30


async def at_most_one_is_used(stage: Stage) -> None:
    marks = [await storage.marked() for storage in (stage.source, stage.target)]
    assert marks[1] is None or marks[1].role is Role.TARGET
    filled = bool(await rows_of(stage.target))
    assert marks[0] is not None or marks[1] is not None or not filled


async def test_broken_off_again_and_again_it_gets_there(stage: Stage) -> None:
    """Each call gets one step further at least: the cursor is kept with the rows."""
    before = await rows_of(stage.source)
    for _ in range(60):
        stage.faults.fail_next("load", LOST)
        stage.faults.fail_next("mark", LOST)
        try:
            await stage.run()
        except AnswerLost:
            continue
        break
    else:
        pytest.fail("it never gets there")
    assert await rows_of(stage.target) == before


async def test_it_goes_on_from_the_cursor(stage: Stage) -> None:
    number = len(await rows_of(stage.source))
    first = stage.move()
    loads = 0

    def stop_after_two(_: int) -> None:
        nonlocal loads
        loads += 1
        if loads == 2:
            raise StoreUnreachable("the store", "cut")

    with pytest.raises(StoreUnreachable):
        await first.run(stop_after_two)
    moved = await stage.run()
    assert (moved.step, moved.carried) == (Step.CARRY, number - 2 * 4)
    assert moved.census is not None
    assert moved.census.rows == number


async def test_a_second_time_there_is_nothing_to_do(stage: Stage) -> None:
    await stage.run()
    job_id = stage.ids.new()
    await stage.target.insert([NewJob(job_id, "t", "q", "{}")])
    moved = await stage.run()
    assert (moved.step, moved.carried, moved.census) == (Step.NOTHING, 0, None)
    assert (await stage.target.get([job_id]))[0] is not None


async def test_what_a_storage_lost_with_its_process_goes_over_again(stage: Stage) -> None:
    """The source says that it was moved, and the target is as it was a moment before."""
    before = await rows_of(stage.source)

    def stop(_: int) -> None:
        raise StoreUnreachable("the store", "cut")

    with pytest.raises(StoreUnreachable):
        await stage.move().run(stop)
    mark = await stage.source.marked()
    assert mark is not None
    await stage.source.mark(replace(mark, progress=Progress.MOVED))
    moved = await stage.run()
    assert (moved.step, moved.carried) == (Step.FINISH, len(before) - 4)
    assert await rows_of(stage.target) == before


async def test_a_target_that_is_gone_is_not_taken_for_one_that_is_done(stage: Stage) -> None:
    await stage.run()
    stage.target = MemoryStorage(stage.clock)
    await stage.target.open()
    with pytest.raises(MoveRefused, match="was moved to B, and that is empty now: restore it"):
        await stage.run()


async def test_two_at_once_move_it_once(stage: Stage) -> None:
    before = await rows_of(stage.source)
    answers = await asyncio.gather(stage.run(), stage.run(), return_exceptions=True)
    assert any(isinstance(answer, Moved) for answer in answers)
    assert all(isinstance(answer, Moved | MoveRefused | StoreMoved) for answer in answers)
    while (await stage.run()).step is not Step.NOTHING:
        pass
    assert await rows_of(stage.target) == before


async def test_living_workers_are_in_the_way(stage: Stage) -> None:
    await stage.source.put([Put(QUEUE, "q", "{}")])
    await stage.source.beat("busy", [], 30.0)
    (held,) = await stage.source.claim("busy", [Demand("q", 1)])
    with pytest.raises(MoveRefused, match="a worker lives on A: stop them first, or go on with --force"):
        await stage.run()
    assert (await stage.source.marked(), await stage.target.marked()) == (None, None)
    await stage.run(force=True)
    with pytest.raises(StoreMoved):
        await stage.source.apply([lifecycle.hand_back(held)])
    (there,) = await stage.target.get([held.id])
    assert there is not None
    assert (there.state, there.generation, there.attempt) == (State.PENDING, held.generation + 1, held.attempt - 1)


@pytest.mark.parametrize("row", ["job", "record", "entry"])
async def test_a_store_that_is_not_empty_is_no_target(stage: Stage, row: str) -> None:
    match row:
        case "job":
            await stage.target.insert([NewJob(stage.ids.new(), "t", "q", "{}")])
        case "record":
            await stage.target.put([Put(KV, "x", "1")])
        case _:
            await stage.target.record([Entry("e", "minute", "q", 0, "1")])
    with pytest.raises(MoveRefused, match="B is not empty"):
        await stage.run()
    assert (await stage.source.marked(), await stage.target.marked()) == (None, None)


async def test_one_store_under_two_names(stage: Stage) -> None:
    empty = MemoryStorage(stage.clock)
    await empty.open()
    move = Move(End(empty, "A"), End(empty, "B"), stage.clock, stage.ids.new)
    with pytest.raises(MoveRefused, match="A and B are one and the same store"):
        await move.run(lambda rows: None)
    assert await empty.marked() is None


async def test_what_differs_is_named_and_nothing_is_finished(stage: Stage) -> None:
    class Forgetful(MemoryStorage):
        async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
            await super().load([row for row in rows if not (isinstance(row, Job) and '"n":7' in row.payload)], cursor)
            return len(rows)

    stage.target = Forgetful(stage.clock)
    await stage.target.open()
    with pytest.raises(MoveFailed, match=r"what is in B is not what is in A: \d jobs \(\w+\) instead of \d"):
        await stage.run()
    mark = await stage.source.marked()
    assert mark is not None
    assert mark.progress is Progress.MOVING


async def test_a_row_that_changed_on_its_way_is_found(stage: Stage) -> None:
    class Careless(MemoryStorage):
        async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
            return await super().load(
                [Entry(row.id, row.kind, row.queue, row.at, "2") if isinstance(row, Entry) else row for row in rows],
                cursor,
            )

    stage.target = Careless(stage.clock)
    await stage.target.open()
    with pytest.raises(MoveFailed, match="as many rows of each kind, but not the same ones"):
        await stage.run()


async def test_given_up_the_source_is_used_again_and_its_copy_is_not(stage: Stage) -> None:
    stage.faults.fail_next("load", REFUSED)
    with pytest.raises(StoreUnreachable):
        await stage.run()
    mark = await take_back(End(stage.source, "A"))
    assert (mark.role, mark.other) == (Role.SOURCE, "B")
    await stage.source.insert([NewJob(stage.ids.new(), "t", "q", "{}")])
    await take_back(End(stage.target, "B"))
    await stage.run()


async def test_a_part_of_another_store_is_not_taken_into_use(stage: Stage) -> None:
    def stop(_: int) -> None:
        raise StoreUnreachable("the store", "cut")

    with pytest.raises(StoreUnreachable):
        await stage.move().run(stop)
    with pytest.raises(MoveRefused, match="B holds jobs of A, which would run twice"):
        await take_back(End(stage.target, "B"))
    await take_back(End(stage.source, "A"))
    with pytest.raises(MoveRefused, match="B is not empty"):
        await stage.run()


async def test_an_unmarked_store_has_nothing_to_undo(stage: Stage) -> None:
    with pytest.raises(MoveRefused, match="A is not marked"):
        await take_back(End(stage.source, "A"))


async def test_a_move_that_was_given_up_meanwhile_does_not_end(stage: Stage) -> None:
    async def give_up() -> None:
        await stage.source.mark(None)

    ending: list[asyncio.Task[None]] = []
    with pytest.raises(MoveRefused, match="was given up meanwhile"):
        await stage.move().run(lambda rows: ending.append(asyncio.ensure_future(give_up())))
    assert await stage.source.marked() is None
    mark = await stage.target.marked()
    assert mark is not None
    assert mark.role is Role.TARGET
