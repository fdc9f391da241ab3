"""Programs that jobs run, each under a minder of its own: none of their processes outlives the attempt, or us."""

import asyncio
import os
import select
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import cast

from headrace.model.command import exit_text
from headrace.system.finishing import finish
from headrace.system.spawn import Ended, MinderDied, Order, ProgramNotStarted, Tail, Unanswered

LONGEST_LINE = 2 << 20
"""Bytes of one line that a companion may send."""

_MINDER = Path(__file__).with_name("minder.py")


async def run_command(order: Order) -> Ended:
    """See ``Spawn.command``."""
    program = await _Minded.start(order, DEVNULL, DEVNULL, talks=False)
    try:
        return await program.report()
    except BaseException:
        with suppress(ProgramNotStarted, MinderDied):
            await finish(program.end())
        raise


async def start_companion(order: Order) -> "LineCompanion":
    """See ``Spawn.companion``."""
    loop = asyncio.get_running_loop()
    with ExitStack() as theirs, ExitStack() as ours:
        stdin, writes = _pipe(theirs, ours)
        stdout, reads = _pipe(theirs, ours, backwards=True)
        reading, lines = await loop.connect_read_pipe(lambda: _Lines(reads.fileno()), reads)
        ours.callback(reading.close)
        writing, _ = await loop.connect_write_pipe(asyncio.Protocol, writes)
        ours.callback(_abort, writing)
        program = await _Minded.start(order, stdin.fileno(), stdout.fileno(), talks=True)
        return LineCompanion(program, lines, writing, ours.pop_all())


def _abort(writing: asyncio.WriteTransport) -> None:
    if not writing.is_closing():  # as it is once nobody reads the other end
        writing.abort()


def _pipe(theirs: ExitStack, ours: ExitStack, *, backwards: bool = False) -> tuple[FileIO, FileIO]:
    """Their end and ours. They read from it; where it is ``backwards``, they write to it."""
    end, start = os.pipe()
    read, write = FileIO(end, "r"), FileIO(start, "w")
    their, our = (write, read) if backwards else (read, write)
    return theirs.enter_context(their), ours.enter_context(our)


class _Minded:
    """A minder, and through it the program."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._reporting: asyncio.Task[Ended] | None = None

    @staticmethod
    async def start(order: Order, stdin: int, stdout: int, *, talks: bool) -> "_Minded":
        """In a session of its own, as the program will be in another: no Ctrl-C of the terminal reaches either. Our end
        of the socket is inherited by nobody, so that it closes when we end, however that happens."""
        ours, theirs = socket.socketpair()
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    str(_MINDER),
                    str(theirs.fileno()),
                    str(os.getpid()),
                    stdin=stdin,
                    stdout=stdout,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                writer.close()
                raise
        finally:
            theirs.close()
        writer.write(encode_order(order, talks=talks))
        return _Minded(process, reader, writer)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._reader.at_eof()

    async def report(self) -> Ended:
        """How it ended, once all of it has."""
        if self._reporting is None:
            self._reporting = asyncio.ensure_future(self._read_report())
        return await asyncio.shield(self._reporting)

    async def end(self) -> Ended:
        """As ``report``, which it does not wait for idly."""
        try:
            self._writer.write(b"!")
        except OSError:
            pass
        return await self.report()

    async def _read_report(self) -> Ended:
        try:
            try:
                return await self._parse_report()
            except ConnectionError:  # it ended while we wrote: asyncio then withholds what came before
                self._reader.set_exception(None)  # type: ignore[arg-type] # takes the error back
                self._reader.feed_eof()
                return await self._parse_report()
        except (ValueError, OSError, asyncio.IncompleteReadError):
            code = await self._process.wait()
            raise MinderDied(f"the process that minds it died: {exit_text(code)}") from None
        finally:
            self._writer.close()
            await self._process.wait()

    async def _parse_report(self) -> Ended:
        word, *numbers = (await self._reader.readline()).split()
        if word == b"refused":
            step, number = numbers
            raise ProgramNotStarted(step.decode(), OSError(int(number), os.strerror(int(number))))
        code, *sizes = map(int, numbers)
        pairs = zip(sizes[::2], sizes[1::2], strict=True)
        tails = [Tail(await self._reader.readexactly(kept), size) for kept, size in pairs]
        return Ended(code, *tails)


class LineCompanion:
    """A program on two pipes."""

    def __init__(self, program: _Minded, lines: "_Lines", writing: asyncio.WriteTransport, ends: ExitStack) -> None:
        self._program, self._lines, self._writing, self._ends = program, lines, writing, ends

    @property
    def is_alive(self) -> bool:
        return self._program.is_alive and self._lines.is_quiet

    async def ask(self, line: bytes) -> bytes:
        self._writing.write(line + b"\n")
        return await self._lines.read()

    async def end(self) -> Ended:
        try:
            return await self._program.end()
        finally:
            self._ends.close()


class _Lines(asyncio.Protocol):
    """What a companion says."""

    def __init__(self, descriptor: int) -> None:
        self._said, self._searched, self._closed = bytearray(), 0, False
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._said += data
        if len(self._said) > LONGEST_LINE and self._transport is not None:
            self._transport.pause_reading()  # for good: nobody reads on
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    @property
    def is_quiet(self) -> bool:
        """Whether it says nothing, and may say more: asked of the kernel, as our loop may hear of it later."""
        return not self._said and not self._closed and not self._poll.poll(0)

    async def read(self) -> bytes:
        """The next line, or Unanswered."""
        while (end := self._said.find(b"\n", self._searched)) < 0 and len(self._said) <= LONGEST_LINE:
            if self._closed:
                raise Unanswered("it closed its output")
            self._searched = len(self._said)
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if not 0 <= end < LONGEST_LINE:
            raise Unanswered(f"it sent a line of more than {LONGEST_LINE:,} bytes")
        line = bytes(self._said[: end + 1])
        del self._said[: end + 1]
        self._searched = 0
        return line


def encode_order(order: Order, *, talks: bool) -> bytes:
    """As the minder reads it. No part of it has a NUL: no argument of a program can."""
    words = [f"{order.grace}", f"{order.output}", f"{talks:d}", f"{len(order.argv)}", order.root, order.cwd]
    words += [*order.argv, *(f"{name}={value}" for name, value in order.environment.items())]
    text = "\0".join(words).encode()
    return f"{len(text)} {len(order.stdin)}\n".encode() + text + order.stdin
