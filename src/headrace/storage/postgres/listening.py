"""Hears notices on one loop: of this handle directly, of others through the server."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

from headrace.model.errors import StoreError
from headrace.storage.postgres.connections import Connections, let_go
from headrace.storage.postgres.settings import Settings
from headrace.system.ids import Entropy, system_entropy

EVERYTHING = "*"
_ANY_JOB = "job:*"
_JOB = "job:"
_LARGEST = 7_900
"""Bytes of a notice; the server takes 7,999."""
_LOOKING = 15.0
"""Seconds between looks whether the connection that hears still lives: a half-open one says nothing."""
_ANSWERING = 5.0
"""Seconds that it has to answer such a look."""
_TELLING = 1.0
"""Seconds that the last notices get when a handle closes."""


def pack(topics: Iterable[str], origin: str) -> str:
    """One notice for all of these; where they are too many to name, it says so."""
    named = set(topics)
    without_jobs = {topic for topic in named if not topic.startswith(_JOB)} | {_ANY_JOB}
    for some in (named, without_jobs):
        text = "\n".join([origin, *sorted(some)])
        if len(text.encode()) <= _LARGEST:
            return text
    return f"{origin}\n{EVERYTHING}"


class Hub:
    """The listeners of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, needed: Callable[[], None]) -> None:
        self.loop = loop
        self.origin = f"{int(system_entropy() * 2**48):x}"
        """Names this hub: what it told others it has heard already."""
        self._needed = needed
        self._listeners: dict[str, list[PostgresListener]] = {}

    def hear(self, topics: Iterable[str]) -> None:
        """Wakes who listens."""
        if self._listeners:
            for topic in topics:
                for listener in self._listeners.get(topic, ()):
                    listener.hear()

    def receive(self, text: str) -> None:
        """A notice from the server."""
        origin, *topics = text.split("\n")
        if origin == self.origin:
            return
        if EVERYTHING in topics:
            self.hear(list(self._listeners))
        elif _ANY_JOB in topics:
            self.hear([topic for topic in self._listeners if topic.startswith(_JOB)])
        self.hear(topics)

    def hear_all(self) -> None:
        """Anything may have been told while nobody heard."""
        self.hear(list(self._listeners))

    def join(self, listener: "PostgresListener") -> None:
        """From now on it hears its topics."""
        for topic in listener.topics:
            self._listeners[topic] = [*self._listeners.get(topic, ()), listener]
        self._needed()

    def leave(self, listener: "PostgresListener") -> None:
        """It hears nothing more."""
        for topic in listener.topics:
            left = [other for other in self._listeners.get(topic, ()) if other is not listener]
            if left:
                self._listeners[topic] = left
            else:
                self._listeners.pop(topic, None)


class PostgresListener:
    """Implements ``contract.Listener``."""

    def __init__(self, hub: Hub, topics: Collection[str]) -> None:
        self.topics = frozenset(topics)
        self._hub = hub
        self._heard = self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        hub.join(self)

    def hear(self) -> None:
        """On its loop."""
        self._heard = True
        if self._waiter is not None:
            _resolve(self._waiter)

    async def wait(self, timeout: float) -> bool:
        """True as soon as a notice came since the last wait, or since the beginning; False after ``timeout`` s."""
        if not self._heard and not self._closed and timeout > 0:
            waiter = self._waiter = self._hub.loop.create_future()
            alarm = self._hub.loop.call_later(timeout, _resolve, waiter)
            try:
                await waiter
            finally:
                alarm.cancel()
                self._waiter = None
        heard, self._heard = self._heard, False
        return heard

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if not self._closed:
            self._closed = True
            self._hub.leave(self)
            self._heard = False
            if self._waiter is not None:
                _resolve(self._waiter)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Ear:
    """Keeps one connection that hears the server's notices, and makes another where it is lost."""

    def __init__(
        self, settings: Settings, patience: float, hub: Hub, connections: Connections, entropy: Entropy
    ) -> None:
        self._settings, self._patience, self._hub = settings, patience, hub
        self._connections, self._entropy = connections, entropy
        self._task: asyncio.Task[None] | None = None
        self._doubtful = asyncio.Event()
        self.hears = asyncio.Event()

    def need(self) -> None:
        """Somebody listens."""
        if self._task is None and self._settings.notify and not self._settings.pooler:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="headrace-ear")

    def look(self) -> None:
        """See at once whether the connection still lives: others have died."""
        self._doubtful.set()

    async def _run(self) -> None:
        failures, pace = 0, self._connections.pace
        while True:
            began = pace.now()
            # What goes wrong is told to nobody: notices are hints, and whoever needs the server hears of it by its own
            # calls. But whatever it is, the ear goes on: one that ended would be missed by nobody either.
            with suppress(Exception):
                await self._listen()
            self.hears.clear()
            failures = failures + 1 if pace.now() - began < _ANSWERING else 1
            await pace.rest(failures, math.inf)

    async def _listen(self) -> None:
        connection = await self._connections.connect()
        try:
            connection.add_termination_listener(lambda _: self._doubtful.set())
            async with asyncio.timeout(_ANSWERING):
                await connection.add_listener(self._settings.schema, self._receive)
            self.hears.set()
            self._hub.hear_all()
            while not connection.is_closed():
                self._doubtful.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOKING):
                        await self._doubtful.wait()
                if not connection.is_closed():
                    async with asyncio.timeout(_ANSWERING):
                        await connection.execute("SELECT 1")
        finally:
            let_go(connection)

    def _receive(self, _connection: object, _pid: int, _channel: str, text: object) -> None:
        self._hub.receive(str(text))

    async def close(self) -> None:
        """Hears nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


class Crier:
    """Tells the server of what was committed: beside the commit, which would else stand in one line with all others
    that notify, and in one notice for whatever came while the last one was on its way."""

    def __init__(self, tell: Callable[[str], Awaitable[object]], origin: str) -> None:
        self._tell, self._origin = tell, origin
        self._topics: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def cry(self, topics: Collection[str]) -> None:
        """Soon."""
        self._topics.update(topics)
        if self._topics and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="headrace-crier")

    async def _run(self) -> None:
        try:
            while self._topics:
                topics, self._topics = self._topics, set()
                with suppress(StoreError):  # a hint that is lost: those who wait look for themselves
                    await self._tell(pack(topics, self._origin))
        finally:
            self._task = None

    async def close(self) -> None:
        """Once all is told; but a server that is away is waited for in vain."""
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=_TELLING)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
