"""The connections of one handle: made when they are needed, used by one call at a time, bounded."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from headrace.model.errors import AppClosed, StoreBusy, StoreError
from headrace.storage.postgres import driver
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.faults import translated
from headrace.storage.postgres.pausing import pause
from headrace.storage.postgres.settings import Settings
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

Prepare = Callable[[Connection], Awaitable[None]]
"""Called each time a connection is handed out; the test schema's clock is set by it."""

_STATEMENTS = 200
"""Kept prepared on each connection: more than there are."""
_CONNECTING = 5.0
"""Seconds."""
_LOCKED = 5.0
"""Seconds that an answer may take beyond ``patience``, so that the server's word for a lock comes first."""


async def connect(settings: Settings, patience: float) -> Connection:
    """A new connection."""
    told: dict[str, str] = {}
    if not settings.pooler:  # a pooler refuses what it can't give back as it was
        told = {
            "application_name": "headrace",
            "jit": "off",
            "lock_timeout": str(round(patience * 1000)),
            "idle_in_transaction_session_timeout": str(round((patience + _LOCKED) * 1000)),
        }
    return await driver.connect(
        settings.dsn,
        timeout=min(_CONNECTING, patience),
        settings=told,
        statements=0 if settings.pooler else _STATEMENTS,
    )


class Connections:
    """At most ``settings.pool`` of one event loop."""

    def __init__(
        self, settings: Settings, patience: float, clock: Clock, entropy: Entropy, prepare: Prepare | None
    ) -> None:
        self._settings, self._patience = settings, patience
        self._clock, self._entropy, self._prepare = clock, entropy, prepare
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._made = 0
        self._connecting = asyncio.Lock()
        self._failures = 0
        self._refused: StoreError | None = None
        self._try_at = 0.0
        self._closed = False

    async def acquire(self) -> Connection:
        """One that is free, or a new one. StoreUnreachable where none can be made, StoreBusy where all are in use for
        ``patience`` seconds."""
        connection = await self._find()
        if self._prepare is not None:
            await self._prepare(connection)
        return connection

    async def _find(self) -> Connection:
        while True:
            if self._closed:
                raise AppClosed
            if self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._made -= 1
                continue
            if self._made < self._settings.pool:
                return await self._make()
            handed = await self._wait()
            if handed is not None:
                return handed

    async def _make(self) -> Connection:
        self._made += 1
        try:
            async with self._connecting:
                return await self.connect()
        except BaseException:
            self._made -= 1
            self._wake_next(None)
            raise

    async def connect(self) -> Connection:
        """One more, which is not among these. Refused without a try, where one failed a moment ago."""
        now = self._clock.monotonic()
        if self._refused is not None and now < self._try_at:
            raise self._refused
        try:
            connection = await connect(self._settings, self._patience)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._failures += 1
            self._try_at = self._clock.monotonic() + pause(self._failures, self._entropy)
            self._refused = translated(error, self._settings.where, self._patience, lost=False)
            raise self._refused from error
        self._failures, self._refused = 0, None
        return connection

    async def _wait(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                return await waiter
        except TimeoutError:
            raise StoreBusy(self._settings.where, self._patience) from None
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """It is free again; or of no use."""
        if broken or self._closed or connection.is_closed():
            self._made -= 1
            let_go(connection)
            self._wake_next(None)
        elif not self._wake_next(connection):
            self._idle.append(connection)

    def _wake_next(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def close(self) -> None:
        """Lets go of what is free; what is in use goes when it is released."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            self._made -= 1
            await part(connection)


async def part(connection: Connection) -> None:
    """Says goodbye, so that the server logs no lost connection."""
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        let_go(connection)


def let_go(connection: Connection) -> None:
    """At once, whatever it is at."""
    with suppress(RuntimeError):  # its loop is closed: nothing of it is left
        connection.terminate()
