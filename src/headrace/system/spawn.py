"""Threads and processes, as an argument: what ``system`` offers to everything above. The simulation replaces it."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, None]]


class Hosted(Protocol):
    """An async main that runs somewhere else."""

    async def join(self) -> None:
        """Returns when it has ended; raises what it raised."""
        ...


class Threads(Protocol):
    """Runs sync functions beside the loop."""

    async def run(self, function: Callable[[], T]) -> T:
        """Calls ``function`` in a thread. Cancelling the wait doesn't stop it: nothing can stop a thread."""
        ...

    def close(self) -> None:
        """Starts nothing more; idle threads end, busy ones end when they return."""
        ...


class ProcessDied(Exception):
    """The process that ran a function ended before the function did."""


Serve = Callable[[bytes], bytes]
"""What a child process does with what it is sent. A function of a module: it is found there by its name."""


class Processes(Protocol):
    """Runs one function in processes that can be killed."""

    async def run(self, data: bytes) -> bytes:
        """The function's answer to ``data``, from a child; ProcessDied where that died. A cancelled wait returns when
        the child is dead."""
        ...

    def close(self) -> None:
        """Kills what still runs."""
        ...


class Spawn(Protocol):
    """Threads and processes, as an argument."""

    def host(self, name: str, main: Main) -> Hosted:
        """Runs ``main`` on an event loop of its own, in a thread of its own."""
        ...

    def threads(self, name: str) -> Threads:
        """A pool that grows to as many threads as run at once."""
        ...

    def processes(self, serve: Serve, grace: float) -> Processes:
        """A pool of children that run ``serve``; a cancelled one has ``grace`` seconds before it is killed."""
        ...
