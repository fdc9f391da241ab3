"""What all handles of one process on one shelf share: who owns the shelf, and what stands there."""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from typing import Any, ClassVar, TypeVar, cast

import msgspec

from headrace.model.errors import StoreError, StoreOwned, StoreTaken
from headrace.storage.journal.keeper import Keeper
from headrace.storage.journal.replay import Image
from headrace.storage.journal.shelf import Head, Shelf
from headrace.storage.journal.taking import Taken, look, move_in
from headrace.storage.memory.notices import Notices
from headrace.system.clock import Clock
from headrace.system.forks import keep_for_ever
from headrace.system.spawn import Spawn

T = TypeVar("T")

_FRESH = 1.0
"""Seconds that what a reader has read is used, or five times as long as reading took."""
_WARY = 10.0
"""Seconds after a kill of the former owner for which claims are written before anything is given out."""
_LAST_WRITE = 5.0
"""Seconds that the end of the program waits for what nobody closed."""


class Settings(msgspec.Struct, frozen=True):
    """How a handle wants the journal used."""

    interval: float | None
    """Seconds between two writes; None: nobody is answered before what they asked for is kept."""
    lease: float
    """Seconds after which an owner that says nothing more counts as gone."""
    takeover: bool
    """Whether that is waited for."""
    patience: float


class House:
    """One shelf in one process. Its calls to the shelf are made on one event loop of its own."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _houses: ClassVar[dict[str, "House"]] = {}

    def __init__(self, shelf: Shelf, settings: Settings, clock: Clock, spawn: Spawn) -> None:
        self.shelf, self._settings, self._clock = shelf, settings, clock
        self.notices = Notices()
        self._handles, self._leaving = 0, False
        self._known: Future[asyncio.AbstractEventLoop] = Future()
        self._turn = asyncio.Lock()
        self._shared: dict[str, asyncio.Task[Any]] = {}
        """What is being asked of the shelf, by name."""
        self._closing = asyncio.Event()
        self._image: Image | None = None
        self._read_at = self._reading_took = 0.0
        self.owned: tuple[Image, Keeper] | None = None
        """Once this process is the owner."""
        self._keeping: asyncio.Task[None] | None = None
        self._hosted = spawn.host(f"headrace-journal {shelf.where}", self._live)

    # --- life --------------------------------------------------------------------------------------------------------

    @classmethod
    async def join(cls, where: str, make: Callable[[], "House"]) -> "House":
        """The one of this name, made at the first call; after one that is on its way out."""
        while True:
            with cls._lock:
                house = cls._houses.get(where)
                if house is None:
                    house = cls._houses[where] = make()
                if house._enter():  # noqa: SLF001
                    return house
            with suppress(Exception):  # who left is told
                await house._hosted.join()  # noqa: SLF001

    def _enter(self) -> bool:
        if not self._leaving:
            self._handles += 1
        return not self._leaving

    async def leave(self) -> None:
        """The last one writes what there is, and lets go of the shelf."""
        with self._lock:
            self._handles -= 1
            if self._handles:
                return
            self._leaving = True
        self._known.add_done_callback(lambda known: known.result().call_soon_threadsafe(self._closing.set))
        await self._hosted.join()

    @classmethod
    def leave_all(cls) -> None:
        """At the end of a program that closed nothing."""
        for house in list(cls._houses.values()):
            house.end_in_time()

    @classmethod
    def leave_behind(cls) -> None:
        """In a forked child. What finalises a house would close what the parent uses."""
        cls._lock = threading.Lock()
        for house in cls._houses.values():
            keep_for_ever(house)
        cls._houses = {}

    def end_in_time(self) -> None:
        """Writes what there is, unless that takes too long."""
        if self.owned is not None:
            with suppress(NotInTime, RuntimeError, StoreError):
                asyncio.run_coroutine_threadsafe(self._end(), self._known.result(0)).result(_LAST_WRITE)

    async def _live(self) -> None:
        self._known.set_result(asyncio.get_running_loop())
        try:
            await self._closing.wait()
            await self._end()
        finally:
            with self._lock:
                if self._houses.get(self.shelf.where) is self:
                    del self._houses[self.shelf.where]

    async def _end(self) -> None:
        try:
            for trying in list(self._shared.values()):
                trying.cancel()
                await asyncio.wait({trying})
            if self.owned is not None and self._keeping is not None:
                await self._write_the_last(self.owned[1], self._keeping)
        finally:
            await self.shelf.close()

    async def _write_the_last(self, keeper: Keeper, keeping: "asyncio.Task[None]") -> None:
        keeper.stop()
        await asyncio.wait({keeping}, timeout=self._settings.patience)
        if not keeping.done():
            lost = keeper.unwritten(self._settings.patience)
            keeping.cancel()
            await asyncio.wait({keeping})
            raise lost
        if keeper.failure is not None and not isinstance(keeper.failure, StoreOwned | StoreTaken):
            raise keeper.failure

    async def ask(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Does it on the house's own loop."""
        loop = await asyncio.wrap_future(self._known)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), loop))

    # --- on the house's own loop -------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Refuses what must not be touched."""
        await self._share(self._look)

    async def image(self) -> Image:
        """What stands there: now, if this process owns it, else up to a moment ago."""
        return await self._share(self._current)

    async def become_owner(self) -> tuple[Image, Keeper]:
        """StoreOwned where another process is, and lives."""
        return await self._share(self._own)

    async def _share(self, do: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Whoever asks for the same at the same time gets the same answer: where the shelf is away, nobody waits for
        the tries of others before their own."""
        shared = self._shared.get(do.__name__)
        if shared is None:
            shared = self._shared[do.__name__] = asyncio.ensure_future(self._in_turn(do))
            shared.add_done_callback(lambda done: self._forget(do.__name__, done))
        return cast("T", await asyncio.shield(shared))

    async def _in_turn(self, do: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._turn:
            return await do()

    def _forget(self, name: str, done: "asyncio.Future[Any]") -> None:
        del self._shared[name]
        if not done.cancelled():
            done.exception()  # whoever asked may not wait any more

    async def _current(self) -> Image:
        if self.owned is not None:
            return self.owned[0]
        now = self._clock.monotonic()
        if self._image is None or now - self._read_at > max(_FRESH, 5 * self._reading_took):
            self._image = await self._read(await self._look())
            self._read_at = self._clock.monotonic()
            self._reading_took = self._read_at - now
        return self._image

    async def _own(self) -> tuple[Image, Keeper]:
        if self.owned is None:
            settings = self._settings
            self.owned = await move_in(self.shelf, self._clock, settings.lease, settings.takeover, self._settle_in)
            self._image = None
        return self.owned

    async def _settle_in(self, taken: Taken) -> tuple[Image, Keeper]:
        image = await self._read(taken.head)
        image.forget_owners()
        keeper = Keeper(
            self.shelf,
            image.noted,
            image.store.lock,
            image.ledger,
            taken.head,
            interval=self._settings.interval,
            wary=_WARY if taken.after_kill else 0.0,
            clock=self._clock,
        )
        self._keeping = asyncio.ensure_future(keeper.run())
        return image, keeper

    async def _read(self, head: Head | None) -> Image:
        latest = 0 if self._image is None else self._image.store.now()
        image = Image(self._clock, self.notices, latest)
        if head is not None:
            await image.read(self.shelf)
        return image

    async def _look(self) -> Head | None:
        return await look(self.shelf)


os.register_at_fork(after_in_child=House.leave_behind)
atexit.register(House.leave_all)
