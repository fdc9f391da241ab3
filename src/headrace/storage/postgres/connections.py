"""The connections of one handle: made when they are needed, used by one call at a time, bounded."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
from msgspec.structs import replace

from headrace.model.errors import AppClosed, StoreBusy, StoreUnreachable
from headrace.storage.postgres import driver
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.faults import is_crowded, unreachable
from headrace.storage.postgres.pausing import Pace
from headrace.storage.postgres.settings import Settings
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

Prepare = Callable[[Connection], Awaitable[None]]
"""Called each time a connection is handed out; the test schema's clock is set by it."""

ANSWERING = 5.0
"""Seconds that an answer may take beyond ``patience``, so that the server's own word for a lock comes first."""
PLANS = {"jit": "off", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
"""Settings of the server for its plans. Each statement has an index to go by. The server would pass over it while a
table is small, and then keep that plan while thousands of jobs come in. And it would plan some statements anew each
time, which takes longer than running them: a claim of one job took 2.5 ms, and takes 1.4."""
_STATEMENTS = 200
"""Kept prepared on each connection: more than there are."""
_CONNECTING = (1.0, 5.0)
"""Seconds that it may take, between these as ``patience`` says."""
_LONG_IDLE = 120.0
"""Seconds. What lies between may have forgotten a connection that was silent for longer, and tells nobody."""


async def connect(settings: Settings, patience: float) -> Connection:
    """A new connection."""
    told: dict[str, str] = {}
    if not settings.pooler:  # a pooler refuses what it can't give back as it was
        told = {"application_name": "headrace", **PLANS, **waiting_bounds(patience)}
        if settings.syncs:
            told["synchronous_commit"] = "on"
    return await driver.connect(
        settings.dsn,
        timeout=min(max(patience, _CONNECTING[0]), _CONNECTING[1]),
        settings=told,
        statements=0 if settings.pooler else _STATEMENTS,
    )


def waiting_bounds(patience: float) -> dict[str, str]:
    """Settings of the server that bound how long it lets a statement wait, and a transaction lie idle."""
    return {
        "lock_timeout": str(max(1, round(patience * 1000))),
        "idle_in_transaction_session_timeout": str(round((patience + ANSWERING) * 1000)),
    }


class Connections:
    """At most ``settings.pool`` of one event loop."""

    def __init__(
        self, settings: Settings, patience: float, clock: Clock, entropy: Entropy, prepare: Prepare | None
    ) -> None:
        self._settings, self._patience, self._prepare = settings, patience, prepare
        self._idle: list[tuple[Connection, float]] = []
        """With the moment of their last use; the one used last is the last."""
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._made = 0
        self._making = self._closed = False
        self._turn = asyncio.Lock()
        self.pace = Pace(clock, entropy)
        self.when_lost: Callable[[], None] = lambda: None
        """Called when a connection was lost: others may be, and say nothing."""

    async def acquire(self) -> Connection:
        """One that is free, or a new one. StoreUnreachable where none can be made, StoreBusy where all are in use for
        ``patience`` seconds."""
        connection = await self._find()
        if self._prepare is not None:
            try:
                await self._prepare(connection)
            except BaseException:
                self.release(connection, broken=True)
                raise
        return connection

    async def _find(self) -> Connection:
        until = asyncio.get_running_loop().time() + max(self._patience, _CONNECTING[0])
        while True:
            if self._closed:
                raise AppClosed
            connection = self._take_idle() or await self._make() or self._take_idle() or await self._wait(until)
            if connection is not None:
                return connection

    def _take_idle(self) -> Connection | None:
        oldest = self.pace.now() - _LONG_IDLE
        while self._idle:
            connection, used_at = self._idle.pop()
            if not connection.is_closed() and used_at >= oldest:
                return connection
            self._made -= 1
            let_go(connection)
        return None

    async def _make(self) -> Connection | None:
        """None where none may be made: there are enough, one is being made, or the server has none to spare and
        others of ours are in use."""
        if self._making or self._made >= self._settings.pool:
            return None
        self._making = True
        self._made += 1
        connection = None
        try:
            connection = await self.connect()
        except StoreUnreachable as error:
            if self._made > 1 and is_crowded(error.__cause__):
                return None
            self._refuse_waiting(error)
            raise
        finally:
            self._making = False
            self._made -= connection is None
            self._wake_next(None)
        return connection

    def _refuse_waiting(self, error: StoreUnreachable) -> None:
        """Who waited for a connection while none could be made hears of it now, and not after the next try."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                told = StoreUnreachable(error.where, error.why)
                told.__cause__ = error.__cause__
                waiter.set_exception(told)

    def insist_on_syncs(self) -> None:
        """From now on, each new connection asks for commits that wait for the disk."""
        self._settings = replace(self._settings, syncs=True)

    async def connect(self) -> Connection:
        """One more, which is not among these; as soon as the pace allows. Who waits while another tries in vain has
        tried with it."""
        failures = self.pace.failures
        async with self._turn:
            cause = self.pace.cause
            if cause is None or self.pace.failures == failures:
                await self.pace.opening()
                try:
                    connection = await connect(self._settings, self._patience)
                except Exception as error:  # the driver's are of many kinds: whatever it is, there is no connection
                    self.pace.fail(cause := error)
                else:
                    self.pace.reach()
                    return connection
            raise unreachable(cause, self._settings.where) from cause

    async def _wait(self, until: float) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except TimeoutError:
            self._pass_on(waiter)
            raise StoreBusy(self._settings.where, self._patience, self._all_in_use()) from None
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(waiter)

    def _pass_on(self, waiter: asyncio.Future[Connection | None]) -> None:
        """It gives up; what it was handed in the same moment goes to the next one."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            connection = waiter.result()
            if connection is not None:
                self.release(connection)
            else:
                self._wake_next(None)

    def _all_in_use(self) -> str:
        pool = self._settings.pool
        return (
            f"all {pool} connections of this handle were in use (?pool={pool}); calls that hold them take long, or "
            "there are too few: ?pool= allows more"
        )

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """It is free again; or of no use."""
        if broken or self._closed or connection.is_closed():
            self._made -= 1
            let_go(connection)
            self._wake_next(None)
        elif not self._wake_next(connection):
            self._idle.append((connection, self.pace.now()))
            self._let_oldest_go()

    def _let_oldest_go(self) -> None:
        """After a rush there are more than are needed: one a call, so that no call is long."""
        connection, used_at = self._idle[0]
        if used_at < self.pace.now() - _LONG_IDLE:
            del self._idle[0]
            self._made -= 1
            let_go(connection)

    def suspect(self) -> None:
        """One was lost. Those that lay idle meanwhile went through the same, and may be half open: each of them would
        cost its next call all its time."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            self._made -= 1
            let_go(connection)
        self._wake_next(None)
        self.when_lost()

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
        self._made -= len(idle)
        await asyncio.gather(*(part(connection) for connection, _ in idle))

    def abandon(self) -> None:
        """Lets go of all, where the loop is closed."""
        self._closed = True
        for connection, _ in self._idle:
            driver.abandon(connection)
        self._idle = []


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
