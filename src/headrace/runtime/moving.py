"""Carries all that one store holds to another, to be finished there: exact, and fit to be broken off at any point."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from msgspec.structs import replace

from headrace.model.errors import MoveFailed, MoveRefused
from headrace.model.mark import Mark, Progress, Role
from headrace.model.moving import Step, next_step
from headrace.runtime.census import Census
from headrace.storage.contract import Storage
from headrace.storage.moving import END, Rows
from headrace.system.clock import Clock

PAGE = 4_000
"""Rows to a step, where they are small: from SQLite to Postgres 500 gave 22,000 a second, and 4,000 give 30,000. Where
they are large, a storage ends the page sooner."""


class End(msgspec.Struct, frozen=True):
    """One store of the two."""

    storage: Storage
    name: str
    """As people read it, without a password; the same for the same store."""


class Moved(msgspec.Struct, frozen=True):
    """What a move has done."""

    census: Census | None
    """All that is in the new store; None where it was moved before, and others use it."""
    seconds: float
    carried: int
    """Rows, by this call: fewer where an earlier one was broken off."""
    step: Step
    """Where it began."""


Tell = Callable[[int], None]
"""Told how many rows are over there, of those that this call carries."""


class Move:
    """From one store to another. ``run`` again goes on where it was broken off."""

    def __init__(
        self, source: End, target: End, clock: Clock, new_id: Callable[[], str], *, force: bool = False
    ) -> None:
        self._source, self._target, self._clock, self._new_id = source, target, clock, new_id
        self._force = force

    async def run(self, tell: Tell) -> Moved:
        """All of it, or what is left; MoveRefused where something is in the way."""
        began = self._clock.monotonic()
        its, theirs = await self._marks()
        step = next_step(self._source.name, its, self._target.name, theirs)
        if step is Step.NOTHING:
            await self._refuse_loss()
            return Moved(None, self._clock.monotonic() - began, 0, step)
        if step is Step.BEGIN:
            await self._begin(theirs)
        carried = await self._carry(tell)
        census = await self._compare()
        await self._finish()
        return Moved(census, self._clock.monotonic() - began, carried, step)

    async def _marks(self) -> tuple[Mark | None, Mark | None]:
        return await self._source.storage.marked(), await self._target.storage.marked()

    # --- begin -------------------------------------------------------------------------------------------------------

    async def _begin(self, theirs: Mark | None) -> None:
        """The target first: from the moment the source is marked, this move is to be finished or undone. What is in
        the way is looked for before anything is marked, and what counts exactly once more behind it."""
        await self._refuse_workers(self._source)
        await self._refuse_workers(self._target)
        await self._refuse_rows()
        if theirs is None:
            theirs = Mark(Role.TARGET, self._source.name, self._new_id())
            await self._target.storage.mark(theirs)
        try:
            await self._refuse_rows()
            if await self._source.storage.marked() is not None:
                raise MoveRefused(f"{self._source.name} and {self._target.name} are one and the same store")
        except MoveRefused:
            await self._target.storage.mark(None)
            raise
        await self._source.storage.mark(Mark(Role.SOURCE, self._target.name, theirs.move))

    async def _refuse_workers(self, end: End) -> None:
        living = sum(left > 0 for left in (await end.storage.leases()).values())
        if living and not self._force:
            them = "a worker lives" if living == 1 else f"{living} workers live"
            raise MoveRefused(
                f"{them} on {end.name}: stop them first, or go on with --force, by which they are cut off and what "
                "they run is run again in the new store"
            )

    async def _refuse_rows(self) -> None:
        if not await _is_empty(self._target.storage):
            raise MoveRefused(f"{self._target.name} is not empty: name a store that is, or a new one")

    async def _refuse_loss(self) -> None:
        """Of a move that was finished: what was moved is still there."""
        if await _is_empty(self._target.storage) and not await _is_empty(self._source.storage):
            raise MoveRefused(
                f"{self._source.name} was moved to {self._target.name}, and that is empty now: restore it; or take the "
                "old one back into use, as it was, with headrace move --undo"
            )

    # --- carry -------------------------------------------------------------------------------------------------------

    async def _carry(self, tell: Tell) -> int:
        """The next page is read while the last is written. From the target's cursor on, which is behind all once it is
        done, unless a storage that keeps its last writes for a moment has lost them with its process."""
        mark = await self._target.storage.marked()
        cursor = None if mark is None else mark.cursor
        carried = 0
        reading = None if cursor == END else self._read(cursor)
        try:
            while reading is not None:
                page = await reading
                reading = None if page.next is None else self._read(page.next)
                carried += await self._target.storage.load(page.rows, page.next or END)
                tell(carried)
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        return carried

    def _read(self, after: str | None) -> "asyncio.Future[Rows]":
        return asyncio.ensure_future(self._source.storage.dump(limit=PAGE, after=after))

    # --- finish ------------------------------------------------------------------------------------------------------

    async def _compare(self) -> Census:
        ours, theirs = await asyncio.gather(take_census(self._source.storage), take_census(self._target.storage))
        difference = ours.difference(theirs)
        if difference is not None:
            raise MoveFailed(self._source.name, self._target.name, difference)
        return theirs

    async def _finish(self) -> None:
        """The source first: at no moment may both be used."""
        its, theirs = await self._marks()
        if its is None or theirs is None or its.move != theirs.move:
            raise MoveRefused(f"the move from {self._source.name} to {self._target.name} was given up meanwhile")
        if its.progress is not Progress.MOVED:
            await self._source.storage.mark(replace(its, progress=Progress.MOVED))
        await self._target.storage.mark(None)


async def _is_empty(storage: Storage) -> bool:
    return not (await storage.dump(limit=1)).rows


async def take_census(storage: Storage) -> Census:
    """Of all rows, page by page."""
    census = Census()
    async for page in _pages(storage):
        census.add(page.rows)
    return census


async def _pages(storage: Storage) -> AsyncIterator[Rows]:
    after: str | None = None
    while True:
        page = await storage.dump(limit=PAGE, after=after)
        yield page
        if page.next is None:
            return
        after = page.next


async def take_back(end: End) -> Mark:
    """Takes the mark off; what it said. MoveRefused where there is none, or it guards a part of another store."""
    mark = await end.storage.marked()
    if mark is None:
        raise MoveRefused(f"{end.name} is not marked: it was not moved, and is in use")
    if mark.role is Role.TARGET and not await _is_empty(end.storage):
        raise MoveRefused(
            f"{end.name} holds jobs of {mark.other}, which would run twice: finish the move, or take {mark.other} back "
            "into use and remove this one"
        )
    await end.storage.mark(None)
    return mark
