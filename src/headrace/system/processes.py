"""Child processes of a supervisor: fresh interpreters, tied to their parent by a channel that ends with either."""

import asyncio
import os
import signal
import socket
import sys
import threading
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from headrace.system.threads import start_thread

_LONGEST_LINE = 1 << 20


class Child(Protocol):
    """One process that was started, as its supervisor sees it."""

    @property
    def pid(self) -> int:
        """The operating system's number for it."""
        ...

    async def hear(self) -> bytes:
        """The next line that it sent through the channel; empty once it can't send any more."""
        ...

    async def wait(self) -> int:
        """Returns when it has ended: its exit code, or minus the signal that ended it."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it has ended."""
        ...

    def tell(self, line: bytes) -> None:
        """Send one line through the channel; nothing where it has ended."""
        ...

    def hang_up(self) -> None:
        """End our half of the channel: to the child it is as if we were gone."""
        ...

    def close(self) -> None:
        """Let go of the channel, once it has ended."""
        ...


async def start_child(module: str, arguments: Callable[[int], Sequence[str]]) -> Child:
    """Run ``python -m module`` with ``arguments(descriptor)``, ``descriptor`` being the child's end of the channel.

    In a session of its own: a Ctrl-C at the terminal reaches the supervisor alone, and so counts once. Our end of the
    channel is inherited by nobody, so that it closes when we end, however that happens.
    """
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments(theirs.fileno()),
            stdin=DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_LINE)
    return _SystemChild(process, reader, writer)


class _SystemChild:
    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @property
    def pid(self) -> int:
        return self._process.pid

    async def hear(self) -> bytes:
        try:
            return await self._reader.readline()
        except (OSError, ValueError):  # ValueError: a line without end, so not one of ours
            return b""

    async def wait(self) -> int:
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass

    def tell(self, line: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(line + b"\n")

    def hang_up(self) -> None:
        try:
            self._writer.write_eof()
        except OSError:
            pass

    def close(self) -> None:
        self._writer.close()


class Channel:
    """The child's end: what it sends upward, and how it learns that its parent is gone."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # else what a handler starts would hold it open
        self._socket = socket.socket(fileno=descriptor)

    def send(self, line: bytes) -> None:
        """Send one line. Nothing where the parent is gone: ``hear`` tells that."""
        try:
            self._socket.sendall(line + b"\n")
        except OSError:
            pass

    def hear(self) -> bytes:
        """What the parent sends next; empty once it is gone."""
        try:
            return self._socket.recv(4096)
        except OSError:
            return b""


def ignore_signals(numbers: Iterable[signal.Signals]) -> None:
    """From now on these do nothing: for a process that is done, and only has to end with its own exit code.

    Closing an event loop undoes it. Blocking them instead would not do: that is of one thread only.
    """
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def end_process(code: int) -> None:
    """End this process now: no clean-up, no waiting for threads. What was printed is kept."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError, RuntimeError):
            pass
    os._exit(code)


def end_process_after(seconds: float, code: int) -> None:
    """Go on, but end this process after ``seconds``, whatever it is still doing."""

    def wait() -> None:
        threading.Event().wait(seconds)
        end_process(code)

    start_thread("headrace-end", wait)
