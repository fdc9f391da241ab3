"""The one background loop: a step does one bounded piece of work and says how long until the next."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import coroutine

from headrace.model.retry import RetryPolicy
from headrace.system.ids import Entropy

Report = Callable[[str, BaseException], None]
"""Told of an error that a loop survived: the loop's name, the error."""

_LONGEST = 10.0
"""Seconds between two tries of a step that goes on failing, give or take a half."""
SOON = 1.0
"""The same for one that others wait for: with what a storage itself waits between two tries to reach its server, it is
done within five seconds once that is back."""


class Loop:
    """Runs ``step`` until stopped. A step that fails is reported and tried again, later each time."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        entropy: Entropy,
        report: Report,
        longest: float = _LONGEST,
    ) -> None:
        self.name = name
        self._step = step
        self._pause = RetryPolicy.exponential(base=0.1, cap=longest, jitter=0.5)
        self._entropy = entropy
        self._report = report
        self._wake = asyncio.Event()
        self._stopped = False

    def wake(self) -> None:
        """Run the next step now."""
        self._wake.set()

    def stop(self) -> None:
        """Run no further step."""
        self._stopped = True
        self._wake.set()

    async def run(self) -> None:
        """Until ``stop``."""
        failures = 0
        while not self._stopped:
            self._wake.clear()
            try:
                delay = await self._step()
                failures = 0
            except Exception as error:
                failures += 1
                delay = self._pause.delay(failures, self._entropy())
                self._report(self.name, error)
            if delay > 0 and not self._stopped:
                await wait_for(self._wake, delay)


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


@coroutine
def turn() -> Generator[None, None, None]:
    """Let the event loop turn once."""
    yield


def loop_turns() -> bool:
    """Whether an event loop runs this code; not so where a forgotten coroutine is closed."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def jittered(seconds: float, entropy: Entropy) -> float:
    """Up to a tenth earlier or later, so that many workers don't act in step."""
    return seconds * (0.9 + 0.2 * entropy())
