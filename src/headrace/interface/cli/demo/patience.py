"""A storage that is away for a moment ends no demo: whoever asks it asks again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.workforce import DemoStopped
from headrace.model.errors import EnqueueUnknown, StoreError
from headrace.system.clock import Clock

T = TypeVar("T")
AWAY = (StoreError, EnqueueUnknown)
"""What is raised then."""
STALLED = 45.0
"""Seconds without an answer, or without any job done, after which the demo gives up; a rescue takes five."""
_PAUSE = 0.2


class Patience:
    """Of all who ask for one demo."""

    def __init__(self, clock: Clock, screen: Screen, most: float) -> None:
        self._clock, self._screen, self._most = clock, screen, most
        self._away_since: float | None = None

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to what may be asked twice; DemoStopped where none comes for too long."""
        until = self._clock.monotonic() + self._most
        while True:
            try:
                answer = await call()
            except AWAY as error:
                self._note(error)
                if self._clock.monotonic() >= until:
                    raise DemoStopped(f"the storage has not answered for {self._most:.0f} s: {error}") from error
                await self._clock.sleep(_PAUSE)
            else:
                self._note(None)
                return answer

    def _note(self, error: Exception | None) -> None:
        """Says when it goes away, and when it is back."""
        if error is not None and self._away_since is None:
            self._away_since = self._clock.monotonic()
            self._screen.step("away", f"{error}. It is asked again; jobs are enqueued again by the same ids.", "yellow")
        elif error is None and self._away_since is not None:
            seconds = self._clock.monotonic() - self._away_since
            self._away_since = None
            self._screen.step("back", f"The storage answers again, {seconds:.1f} s later.", "green")
