"""A handle's life, and how its calls reach the server."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Self, TypeVar

from headrace.model.errors import AppClosed, StoreUnreachable, WrongLoop
from headrace.storage.contract import AsyncEnlisted, Capabilities, Enlisted
from headrace.storage.postgres import migrating
from headrace.storage.postgres.connections import Connections, Prepare
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.driving import Driver
from headrace.storage.postgres.enlisting import Enlistment
from headrace.storage.postgres.front import Front
from headrace.storage.postgres.insisting import Insistence, reach
from headrace.storage.postgres.listening import Crier, Ear, Hub
from headrace.storage.postgres.schema import MIGRATIONS, Step
from headrace.storage.postgres.settings import Settings
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Latest, Told
from headrace.storage.survival import Fate, Survival
from headrace.system.clock import Clock, SystemClock
from headrace.system.ids import jitter_source

T = TypeVar("T")

_SURVIVAL = Survival(
    acknowledged="committed by the server, and synced to its disk",
    machine=Fate.KEPT,
    provided="the server's disk keeps what it has synced",
    but="That holds through a crash of the server, too; a failover to a replica that lags may lose the last ones.",
)


class Handle:
    """One event loop's door to a store in Postgres."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        auto_migrate: bool = False,
        patience: float = 10.0,
        prepare: Prepare | None = None,
        latest: Latest | None = None,
        migrations: Mapping[Step, str] = MIGRATIONS,
    ) -> None:
        self._settings, self._auto_migrate, self._patience = settings, auto_migrate, patience
        self._clock, self._prepare = clock or SystemClock(), prepare
        self._latest = latest or Latest()
        self._migrations = migrations
        self._front = Front()
        self._enlistment = Enlistment(settings, self._latest, patience)
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Future[None] | None = None
        self._calls = 0
        """Those under way."""
        self._quiet = asyncio.Event()
        """Set when the last of them ends."""
        self._open = self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("postgres", "many", _SURVIVAL)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if os.getpid() != self._pid or self._loop not in (None, loop):
            raise WrongLoop(f"this handle on {self._settings.where}")
        if self._closed:
            raise AppClosed
        self._loop = loop
        if self._opening is None or (self._opening.done() and (self._opening.cancelled() or self._opening.exception())):
            self._opening = asyncio.ensure_future(self._begin(loop))
        await asyncio.shield(self._opening)

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        settings, entropy = self._settings, jitter_source()
        self._connections = Connections(settings, self._patience, self._clock, entropy, self._prepare)
        self._driver = Driver(self._connections, settings, self._patience)
        self._hub = Hub(loop, lambda: self._ear.need())
        self._ear = Ear(settings, self._patience, self._hub, self._connections, entropy)
        self._connections.when_lost = self._ear.look
        self._crier = Crier(self._notify, self._hub.origin)
        try:
            await reach(self._connections.pace, lambda: self._driver.hold(self._check), self._patience)
        except BaseException:
            await self._connections.close()
            raise
        self._open = True

    async def _check(self, connection: Connection) -> None:
        """Refuses what it must not touch; migrates an empty database, and an older store where that is wanted."""
        settings = self._settings
        wrong = await migrating.check_server(connection)
        if wrong is not None:
            raise StoreUnreachable(settings.where, wrong)
        if not settings.pooler and await connection.fetchval("SHOW synchronous_commit") == "off":
            self._connections.insist_on_syncs()
            await connection.execute("SET synchronous_commit = on")
        done = await migrating.find_steps(connection, settings.schema, settings.where)
        if not done or (self._auto_migrate and migrating.is_behind(done, self._migrations)):
            await self._migrate(connection, post=False)
            done = await migrating.find_steps(connection, settings.schema, settings.where)
        migrating.check_steps(done, settings.where, self._migrations)

    async def _migrate(self, connection: Connection, *, post: bool) -> int:
        async def work(other: Connection) -> int:
            return await migrating.migrate(connection, other, self._settings, post=post, migrations=self._migrations)

        return await self._driver.hold(work, apart=True)

    async def migrate(self, *, post: bool = False) -> int:
        self._entered()

        async def work(connection: Connection) -> int:
            return await self._migrate(connection, post=post)

        return await self._await(self._driver.hold(work))

    async def close(self) -> None:
        if os.getpid() != self._pid or self._closed:
            return
        self._closed = True
        if self._loop is not asyncio.get_running_loop():
            if self._open and self._loop is not None and self._loop.is_closed():
                self._connections.abandon()
            return
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._open:
            while self._calls:
                self._quiet.clear()
                await self._quiet.wait()
            await self._crier.close()
            await self._ear.close()
            await self._connections.close()

    def sibling(self) -> Self:
        return type(self)(
            self._settings,
            clock=self._clock,
            auto_migrate=self._auto_migrate,
            patience=self._patience,
            prepare=self._prepare,
            latest=self._latest,
            migrations=self._migrations,
        )

    def within(self, session: object) -> Enlisted | AsyncEnlisted:
        return self._enlistment.within(session)

    def _entered(self) -> None:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:  # a fork took this coroutine along, but not its loop
            here = None
        if here is None or here is not self._loop or os.getpid() != self._pid:
            raise WrongLoop(f"this handle on {self._settings.where}")
        if self._closed or not self._open:
            raise AppClosed

    async def _await(self, call: Coroutine[Any, Any, T]) -> T:
        """Runs it in the caller's own task; ``close`` waits for it."""
        self._calls += 1
        try:
            return await call
        finally:
            self._calls -= 1
            if not self._calls:
                self._quiet.set()

    async def _read(self, make: Callable[[Told], Steps[T]]) -> T:
        return await self._await(self._call(self._driver_of().read, make))

    async def _write(self, make: Callable[[Told], Steps[T]]) -> T:
        return await self._await(self._call(self._driver_of().write, make))

    async def _transact(self, make: Callable[[Told], Steps[T]]) -> T:
        return await self._await(self._call(self._driver_of().transact, make))

    async def _insist(self, make: Callable[[Told], Steps[T]], *, atomic: bool, once: bool) -> T:
        driver = self._driver_of()

        async def run(begin: Callable[[], Steps[T]]) -> T:
            return await Insistence(driver, begin, self._patience, atomic=atomic, once=once).run()

        return await self._await(self._call(run, make))

    def _driver_of(self) -> Driver:
        self._entered()
        return self._driver

    async def _call(self, run: Callable[[Callable[[], Steps[T]]], Awaitable[T]], make: Callable[[Told], Steps[T]]) -> T:
        told = Told(self._latest.now)

        def begin() -> Steps[T]:
            nonlocal told
            told = Told(self._latest.now)
            return make(told)

        answer = await run(begin)
        self._latest.now = told.now
        if told.topics or told.finals:
            self._tell(told)
        return answer

    def _tell(self, told: Told) -> None:
        topics = told.all_topics()
        self._hub.hear(topics)
        if self._settings.notify:
            self._crier.cry(topics)

    async def _notify(self, text: str) -> None:
        def steps() -> Steps[None]:
            yield Statement("SELECT pg_notify($1, $2)", (self._settings.schema, text))

        await self._driver.read(steps)
