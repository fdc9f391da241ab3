"""Notices between handles, across threads and event loops."""

import asyncio
import threading
from collections.abc import Collection, Iterable


class Notices:
    """Who listens to which topic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[MemoryListener]] = {}

    def join(self, listener: "MemoryListener") -> None:
        """From now on the listener hears its topics."""
        with self._lock:
            for topic in listener.topics:
                self._listeners[topic] = [*self._listeners.get(topic, ()), listener]

    def leave(self, listener: "MemoryListener") -> None:
        """It hears nothing more."""
        with self._lock:
            for topic in listener.topics:
                left = [other for other in self._listeners.get(topic, ()) if other is not listener]
                if left:
                    self._listeners[topic] = left
                else:
                    self._listeners.pop(topic, None)

    def wanted(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self._listeners)

    def tell(self, topics: Iterable[str]) -> None:
        """Something happened on these topics."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.hear()


class MemoryListener:
    """Hears notices from any thread, and wakes the one loop that waits for them."""

    def __init__(self, notices: Notices, topics: Collection[str], loop: asyncio.AbstractEventLoop) -> None:
        self.topics = frozenset(topics)
        self._notices = notices
        self._loop = loop
        self._heard = False
        self._waiter: asyncio.Future[None] | None = None
        notices.join(self)

    def hear(self) -> None:
        """Called in any thread."""
        if self._heard:
            return
        self._heard = True
        if _running_loop() is self._loop:
            self._wake()
            return
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return  # the loop that listened is closed: nobody is left to tell

    def _wake(self) -> None:
        if self._heard and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float) -> bool:
        """True as soon as a notice came since the last wait, or since the beginning; False after ``timeout`` s."""
        if not self._heard and timeout > 0:
            self._waiter = self._loop.create_future()
            alarm = self._loop.call_later(timeout, _resolve, self._waiter)
            try:
                await self._waiter
            finally:
                alarm.cancel()
                self._waiter = None
        heard, self._heard = self._heard, False
        return heard

    def close(self) -> None:
        """Stop listening; a wait under way returns False at once. Idempotent."""
        self._notices.leave(self)
        self._heard = False
        if self._waiter is not None:
            _resolve(self._waiter)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
