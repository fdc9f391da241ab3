"""What writes a journal: when it tells whom, and what it does where the shelf fails."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from shelves import ELSEWHERE, PlayedShelf, Vault, new_job

from headrace.model.errors import (
    AnswerLost,
    CorruptStore,
    NotPermitted,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreOwned,
    StoreReadOnly,
    StoreTaken,
    StoreUnreachable,
)
from headrace.storage.journal.changes import Noted
from headrace.storage.journal.keeper import Keeper
from headrace.storage.journal.ledger import Ledger
from headrace.storage.journal.shelf import FORMAT, Fenced, Head
from headrace.storage.memory import inserting
from headrace.storage.memory.leases import BootTime
from headrace.storage.memory.store import Store
from headrace.system.clock import Clock, ManualClock, SystemClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """A keeper at work on this loop, and what is changed in memory."""

    def __init__(self, clock: Clock, interval: float | None, lease: float) -> None:
        self.vault, self.clock, self.noted = Vault(), clock, Noted()
        self.store = Store(clock, self.noted.tables)
        self._shelf = PlayedShelf(self.vault)
        now = clock.wall()
        self._head = Head(FORMAT, 1, 1, replace(ELSEWHERE, token="ours", since=now, seen=now, lease=lease))
        self.keeper = Keeper(
            self._shelf, self.noted, threading.Lock(), Ledger(), self._head, interval=interval, clock=clock
        )

    async def begin(self) -> "asyncio.Task[None]":
        assert await self._shelf.take(None, self._head)
        return asyncio.ensure_future(self.keeper.run())

    def insert(self) -> tuple[str, int | None]:
        """A new job, and the ticket of who wants to be sure of it."""
        new = new_job()
        inserting.insert(self.store, [new], ())
        return new.id, self.keeper.ticket()

    def wait(self, ticket: int | None, patience: float = 20.0) -> "asyncio.Task[None]":
        assert ticket is not None
        return asyncio.ensure_future(self.keeper.kept(ticket, patience))

    async def keep(self) -> str:
        job_id, ticket = self.insert()
        await self.wait(ticket)
        return job_id


@asynccontextmanager
async def at_work(
    clock: Clock | None = None, *, interval: float | None = None, lease: float = 30.0
) -> AsyncIterator[Desk]:
    desk = Desk(clock or SystemClock(), interval, lease)
    running = await desk.begin()
    try:
        yield desk
    finally:
        desk.keeper.stop()
        await asyncio.wait({running}, timeout=10)
        assert running.done()


async def test_nobody_is_told_before_the_write_is_done() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        job_id, ticket = desk.insert()
        waiting = desk.wait(ticket)
        await hold.reached.wait()
        assert not waiting.done()
        assert desk.vault.jobs == set()
        hold.over.set()
        await waiting
        assert desk.vault.jobs == {job_id}


async def test_one_write_for_all_that_wait_and_what_comes_meanwhile_goes_with_the_next() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        first, ticket = desk.insert()
        waiting = [desk.wait(ticket)]
        await hold.reached.wait()
        later = [desk.insert() for _ in range(100)]
        waiting += [desk.wait(ticket) for _, ticket in later]
        second = desk.vault.held()
        hold.over.set()
        await waiting[0]
        await second.reached.wait()
        assert desk.vault.jobs == {first}
        assert not any(one.done() for one in waiting[1:])
        second.over.set()
        await asyncio.gather(*waiting)
        assert desk.vault.jobs == {first, *(job_id for job_id, _ in later)}
        assert len(desk.vault.writes) == 2


async def test_who_only_looks_waits_for_the_write_of_what_they_saw() -> None:
    async with at_work() as desk:
        assert desk.keeper.ticket() is None
        hold = desk.vault.held()
        _, ticket = desk.insert()
        waiting = desk.wait(ticket)
        await hold.reached.wait()
        assert desk.keeper.ticket() == ticket
        hold.over.set()
        await waiting
        assert desk.keeper.ticket() is None


async def test_nobody_waits_for_leases() -> None:
    async with at_work() as desk:
        desk.noted.tables.leases["w"] = BootTime("boot", 1)
        assert desk.keeper.ticket() is None
        await desk.keep()
    assert len(desk.vault.writes) == 2


async def test_where_the_loop_stood_still_what_was_written_meanwhile_is_not_in_doubt() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        _, ticket = desk.insert()
        waiting = desk.wait(ticket, patience=0.05)
        await hold.reached.wait()
        assert ticket is not None
        desk.keeper._settle(ticket)  # as the keeper's own thread does while this one is blocked
        threading.Event().wait(0.1)
        await waiting
        hold.over.set()


async def test_who_waits_too_long_is_told_and_what_they_asked_is_done_later() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        job_id, ticket = desk.insert()
        with pytest.raises(AnswerLost, match=r"not written within 0\.05 s; what was asked may or may not"):
            await desk.wait(ticket, 0.05)
        hold.over.set()
        other = await desk.keep()
        assert desk.vault.jobs == {job_id, other}


@pytest.mark.parametrize(
    "error",
    [
        StoreUnreachable("there", "no way"),
        StoreBusy("there", 5.0),
        StoreFull("there"),
        StoreReadOnly("there", "no way"),
        NotPermitted("there", "no way"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_may_pass_is_tried_again_until_it_has(error: StoreError) -> None:
    async with at_work() as desk:
        desk.vault.errors = [error, error, error]
        job_id = await desk.keep()
        assert desk.vault.jobs == {job_id}
        assert len(desk.vault.writes) == 1


async def test_who_waits_too_long_is_told_why() -> None:
    async with at_work() as desk:
        desk.vault.go_away("the cable is out")
        job_id, ticket = desk.insert()
        with pytest.raises(AnswerLost, match=r"within 0\.2 s: there can't be reached: the cable is out"):
            await desk.wait(ticket, 0.2)
        desk.vault.come_back()
        other = await desk.keep()
        assert desk.vault.jobs == {job_id, other}
        hold = desk.vault.held()
        with pytest.raises(AnswerLost) as told:
            await desk.wait(desk.insert()[1], 0.05)
        assert "cable" not in str(told.value)
        hold.over.set()


async def test_a_write_whose_answer_was_lost_is_done_once() -> None:
    async with at_work() as desk:
        desk.vault.lost = 3
        first = await desk.keep()
        second = await desk.keep()
        assert desk.vault.jobs == {first, second}
        assert sorted(desk.vault.entries) == [1, 2]


async def test_what_will_not_pass_is_told_to_all_who_wait_and_come() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        desk.vault.errors = [CorruptStore("there", "broken")]
        waiting = [desk.wait(desk.insert()[1]) for _ in range(3)]
        await hold.reached.wait()
        waiting.append(desk.wait(desk.insert()[1]))
        hold.over.set()
        *tried, later = await asyncio.gather(*waiting, return_exceptions=True)
        for told in tried:  # an earlier try may have been done
            assert isinstance(told, AnswerLost)
            assert "broken" in str(told)
        assert isinstance(later, CorruptStore)
        assert desk.keeper.failure is not None
        with pytest.raises(CorruptStore):
            await desk.keeper.kept(1, 1.0)


async def test_an_error_of_our_own_leaves_nobody_waiting() -> None:
    desk = Desk(SystemClock(), None, 30.0)
    running = await desk.begin()
    desk.vault.errors = [ZeroDivisionError("a bug")]  # type: ignore[list-item]
    with pytest.raises(AnswerLost, match="what writes to it ended: ZeroDivisionError"):
        await desk.wait(desk.insert()[1])
    with pytest.raises(ZeroDivisionError):
        await running


async def test_one_who_gave_up_keeps_nobody_from_being_told() -> None:
    async with at_work() as desk:
        hold = desk.vault.held()
        waiting = [desk.wait(desk.insert()[1]) for _ in range(3)]
        await hold.reached.wait()
        waiting[0].cancel()
        hold.over.set()
        await asyncio.gather(*waiting[1:])


# --- another owner ---------------------------------------------------------------------------------------------------


async def test_the_fenced_owner_says_by_whom_and_writes_no_more() -> None:
    async with at_work() as desk:
        kept = await desk.keep()
        hold = desk.vault.held()
        waiting = desk.wait(desk.insert()[1])
        await hold.reached.wait()
        desk.vault.take_over()
        hold.over.set()
        with pytest.raises(AnswerLost, match=r"owned by process 77 on elsewhere since 2001-09-09"):
            await waiting
        with pytest.raises(StoreOwned) as told:
            await desk.wait(desk.keeper.ticket() or 9)
        assert (told.value.host, told.value.pid) == ("elsewhere", 77)
        assert desk.vault.jobs == {kept}
    assert desk.vault.head is not None
    assert desk.vault.head.owner == ELSEWHERE


async def test_where_the_next_owner_has_left_the_fenced_one_stays_so() -> None:
    async with at_work() as desk:
        await desk.keep()
        assert desk.vault.head is not None
        desk.vault.head = replace(desk.vault.head, owner=None)
        with pytest.raises(AnswerLost, match="taken over by another process, which has left since"):
            await desk.keep()
        with pytest.raises(StoreTaken):
            await desk.wait(desk.keeper.ticket() or 9)


async def test_one_who_looked_and_left_again_ends_nobody() -> None:
    """Opening some shelves fences whoever has them open."""
    async with at_work(ManualClock()) as desk:
        desk.vault.errors = [Fenced("there"), Fenced("there"), Fenced("there")]
        job_id = await desk.keep()
        assert desk.vault.jobs == {job_id}


async def test_one_that_was_thrown_out_on_its_way_and_comes_again_is_left_more_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a shelf where opening it fences whoever has it open, two could keep each other from it for ever."""
    clock = ManualClock()
    async with at_work(clock) as desk:
        waits: list[float] = []
        for fences, calm in ((1, 0.0), (1, 1.0), (2, 1.0), (1, 1.0), (1, 61.0)):
            clock.advance(calm)
            begun = clock.monotonic()
            desk.vault.errors = [Fenced("there")] * fences
            await desk.keep()
            waits.append(clock.monotonic() - begun)
        assert waits == [2.0, 4.0, 8.0 + 16.0, 16.0, 2.0]


async def test_a_sign_of_life_is_given_in_time_and_not_more_often() -> None:
    lease = 0.6
    async with at_work(lease=lease) as desk:
        begun = desk.clock.wall()
        await desk.vault.until(lambda: len(desk.vault.writes) >= 3)
        took = (desk.clock.wall() - begun) / 1000
        seen = [head.owner.seen for head in desk.vault.writes if head.owner]
        assert took >= 3 * lease / 4 - 0.05
        assert len(set(seen)) == 3
        assert desk.vault.entries == {}


async def test_the_last_write_leaves_the_store_free() -> None:
    async with at_work() as desk:
        job_id, _ = desk.insert()
    assert desk.vault.jobs == {job_id}
    assert desk.vault.head is not None
    assert desk.vault.head.owner is None
    assert desk.keeper.failure is None


# --- written every so often ------------------------------------------------------------------------------------------


async def test_within_an_interval_nobody_waits() -> None:
    async with at_work(interval=0.2) as desk:
        job_id, ticket = desk.insert()
        assert ticket is None
        await desk.vault.until(lambda: desk.vault.jobs == {job_id})


async def test_once_something_is_unwritten_for_longer_all_wait() -> None:
    clock = ManualClock()
    async with at_work(clock, interval=0.5) as desk:
        hold = desk.vault.held()
        first, ticket = desk.insert()
        assert ticket is None
        clock.advance(0.499)
        assert desk.keeper.ticket() is None
        clock.advance(0.001)
        second, ticket = desk.insert()
        waiting = desk.wait(ticket)
        await hold.reached.wait()
        assert not waiting.done()
        hold.over.set()
        await waiting
        assert desk.vault.jobs == {first, second}
        assert desk.insert()[1] is None


async def test_an_idle_owner_writes_nothing_but_signs_of_life() -> None:
    clock = ManualClock()
    async with at_work(clock, interval=0.02) as desk:
        await desk.vault.until(lambda: not desk.vault.jobs)
        job_id, _ = desk.insert()
        await desk.vault.until(lambda: desk.vault.jobs == {job_id})
        writes = len(desk.vault.writes)
        for _ in range(10):
            clock.advance(0.02)
            async with asyncio.timeout(5):
                while desk.keeper._kept_at < clock.monotonic():
                    await SystemClock().sleep(0.001)
        assert len(desk.vault.writes) == writes
        clock.advance(8)
        await desk.vault.until(lambda: len(desk.vault.writes) == writes + 1)
