"""Hears notices on one loop: from this process directly, from others through a socket."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

from headrace.storage.sqlite.wake import EVERYTHING, Folder, Post, topic_kind
from headrace.system.ids import system_entropy

_SOONEST, _LATEST = 0.05, 0.5
"""Seconds between looks at the file where no socket can be had."""
_DATAGRAM = 65_536


class Hub:
    """The listeners of one loop, and their sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop, post: Post, folder: str | None) -> None:
        self.loop = loop
        self.data_version: Callable[[], Awaitable[int]] | None = None
        self.seen: int | None = None
        """The file's version at the last look of any listener: the next one starts there, lest it hear at once."""
        self._post = post
        self._folder = None if folder is None else Folder(folder)
        self._listeners: dict[str, list[SqliteListener]] = {}
        self._kinds: dict[str, int] = {}
        self._sockets: dict[str, tuple[socket.socket, str] | None] = {}

    def wants(self, topics: Iterable[str]) -> bool:
        """Whether any of these is listened to, ``job:`` standing for any job. From any thread."""
        listeners = self._listeners
        return bool(listeners) and any(
            topic in listeners or (topic == "job:" and bool(self._kinds.get("j"))) for topic in topics
        )

    def hear(self, topics: Iterable[str]) -> None:
        """Wakes who listens."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.hear()

    def join(self, listener: "SqliteListener") -> None:
        """From now on it hears its topics."""
        for topic in listener.topics:
            self._listeners[topic] = [*self._listeners.get(topic, ()), listener]
            kind = topic_kind(topic)
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            if kind not in self._sockets:
                self._sockets[kind] = self._bind(kind)

    def leave(self, listener: "SqliteListener") -> None:
        """It hears nothing more."""
        for topic in listener.topics:
            left = [other for other in self._listeners.get(topic, ()) if other is not listener]
            if left:
                self._listeners[topic] = left
            else:
                self._listeners.pop(topic, None)
            self._leave_kind(topic_kind(topic))

    def _leave_kind(self, kind: str) -> None:
        self._kinds[kind] -= 1
        if not self._kinds[kind]:
            self._unbind(kind)

    def is_deaf(self, topics: Iterable[str]) -> bool:
        """Whether some of these can't be heard from other processes."""
        return any(self._sockets.get(topic_kind(topic)) is None for topic in topics)

    def close(self) -> None:
        """Unbinds all."""
        for kind in list(self._sockets):
            self._unbind(kind)
        self._listeners = {}
        if self._folder is not None:
            self._folder.close()

    def _bind(self, kind: str) -> tuple[socket.socket, str] | None:
        if self._folder is None:
            return None
        name = f"{kind}.{os.getpid()}.{int(system_entropy() * 2**64):016x}"
        try:
            bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:  # no more files may be opened
            return None
        try:
            self._post.own.add(name)
            bound.bind(self._folder.address(name))
            self.loop.add_reader(bound, self._receive, bound)
        except (OSError, NotImplementedError):
            self._post.own.discard(name)
            bound.close()
            return None
        return bound, name

    def _unbind(self, kind: str) -> None:
        found = self._sockets.pop(kind, None)
        if found is None or self._folder is None:
            return
        bound, name = found
        with suppress(OSError, RuntimeError):
            self.loop.remove_reader(bound)
        bound.close()
        with suppress(OSError):
            os.unlink(os.path.join(self._folder.path, name))
        self._post.own.discard(name)

    def _receive(self, bound: socket.socket) -> None:
        heard: set[str] = set()
        with suppress(OSError):
            while True:
                heard.update(bound.recv(_DATAGRAM).decode(errors="replace").split("\n"))
        self.hear(list(self._listeners) if EVERYTHING in heard else heard)


class SqliteListener:
    """Implements ``contract.Listener``."""

    def __init__(self, hub: Hub, topics: Collection[str]) -> None:
        self.topics = frozenset(topics)
        self._hub = hub
        self._heard = self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        self._seen = hub.seen
        hub.join(self)

    def hear(self) -> None:
        """On its loop."""
        self._heard = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float) -> bool:
        """True as soon as a notice came since the last wait, or since the beginning; False after ``timeout`` s."""
        if self._hub.is_deaf(self.topics):
            await self._wait_polling(timeout)
        elif not self._heard and not self._closed and timeout > 0:
            await self._wait_notice(timeout)
        heard, self._heard = self._heard, False
        return heard

    async def _wait_notice(self, timeout: float) -> None:
        loop = self._hub.loop
        waiter = self._waiter = loop.create_future()
        alarm = loop.call_later(timeout, _resolve, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._waiter = None

    async def _wait_polling(self, timeout: float) -> None:
        ends_at, pause = self._hub.loop.time() + timeout, _SOONEST
        while not self._heard and not self._closed:
            await self._look()
            left = ends_at - self._hub.loop.time()
            if self._heard or self._closed or left <= 0:
                return
            await self._wait_notice(min(pause, left))
            pause = min(pause * 1.5, _LATEST)

    async def _look(self) -> None:
        if self._hub.data_version is not None:
            version = await self._hub.data_version()
            # Before the first look anything may have happened.
            self._heard = self._heard or version != self._seen
            self._seen = self._hub.seen = version

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
