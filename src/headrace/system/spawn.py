"""Threads and processes, as an argument: what ``system`` offers to everything above. The simulation replaces it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

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
        """Calls ``function`` in a thread, or raises NotStarted. Cancelling the wait doesn't stop it: nothing can stop a
        thread."""
        ...

    def close(self) -> None:
        """Starts nothing more; idle threads end, busy ones end when they return."""
        ...


class NotStarted(Exception):
    """No thread or process is to be had, for now."""


class ProcessDied(Exception):
    """The process that ran a function ended before the function did."""


Tell = Callable[[bytes], None]
"""Takes what is said before the answer. Called from any thread."""
Serve = Callable[[bytes, Tell], bytes]
"""What a child process does with what it is sent: it may tell something meanwhile, and gives an answer. A function of
a module: it is found there by its name."""


class Processes(Protocol):
    """Runs one function in processes that can be killed."""

    async def run(self, data: bytes, heard: Tell) -> bytes:
        """The function's answer to ``data``, from a child; ProcessDied where that died, NotStarted where there is none.
        ``heard`` takes what it tells meanwhile, in order, in a thread. A cancelled wait returns when the child is
        dead."""
        ...

    def close(self) -> None:
        """Kills what still runs."""
        ...


class Order(msgspec.Struct, frozen=True):
    """A program to run, and how it is bounded."""

    argv: Sequence[str]
    """The program, and what it is told. Never read by a shell."""
    root: str
    """An absolute path."""
    cwd: str
    """Where it starts: inside the root once symlinks are resolved, else it doesn't start. Relative to the root."""
    environment: Mapping[str, str]
    """All of it."""
    grace: float
    """Seconds between SIGTERM and SIGKILL."""
    output: int
    """Bytes kept of the end of what it prints, of stdout and stderr each."""
    stdin: bytes = b""


class Tail(msgspec.Struct, frozen=True):
    """The end of what was printed."""

    kept: bytes
    size: int
    """Bytes of all of it."""


class Ended(msgspec.Struct, frozen=True):
    """How a program ended."""

    code: int
    """Its exit code, or minus the signal that ended it."""
    stdout: Tail
    stderr: Tail


class ProgramNotStarted(Exception):
    """A program that could not be started. ``step`` is ``root`` or ``cwd`` (no such folder), ``outside`` (of the root),
    ``program`` or ``start``."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(step, error)
        self.step, self.error = step, error


class MinderDied(Exception):
    """What watches over a program died: killed from outside, and the program with it."""


class Unanswered(Exception):
    """A companion closed its output, or sent a line that is too long."""


class Companion(Protocol):
    """A program that stays, and answers line by line."""

    @property
    def is_alive(self) -> bool:
        """It can be asked: it has not ended, and says nothing unasked."""
        ...

    async def ask(self, line: bytes) -> bytes:
        """Its answer, or Unanswered. Of no more use where that, or a cancel, came in between: ``end`` it."""
        ...

    async def end(self) -> Ended:
        """Returns when none of its processes is left; ProgramNotStarted where it never began, MinderDied."""
        ...


class Spawn(Protocol):
    """Threads and processes, as an argument."""

    def host(self, name: str, main: Main) -> Hosted:
        """Runs ``main`` on an event loop of its own, in a thread of its own; NotStarted where there is no loop."""
        ...

    def threads(self, name: str) -> Threads:
        """A pool that grows to as many threads as run at once."""
        ...

    def processes(self, serve: Serve, grace: float) -> Processes:
        """A pool of children that run ``serve``; a cancelled one has ``grace`` seconds before it is killed."""
        ...

    async def command(self, order: Order) -> Ended:
        """Runs a program until none of its processes is left: what it leaves running is ended with it.
        ProgramNotStarted, MinderDied. A cancelled wait returns when all of them are dead."""
        ...

    async def companion(self, order: Order) -> Companion:
        """Starts a program that reads and writes lines. Its stdout is not kept."""
        ...
