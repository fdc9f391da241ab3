"""Child processes for process executors: ended for certain before a cancel returns, gone when their parent is gone."""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from headrace.model.command import exit_text
from headrace.system.finishing import finish
from headrace.system.forks import Home
from headrace.system.spawn import NotStarted, ProcessDied, Serve, Tell, Threads
from headrace.system.threads import start_thread

_TOLD, _ANSWER = b"t", b"a"
"""How frames of a child begin."""


class ChildPool:
    """Grows to as many children as serve at once; an idle one is used again.

    They are started with ``spawn``: forking a process with threads and loops is not safe.
    """

    def __init__(self, serve: Serve, grace: float, threads: Threads) -> None:
        self._serve, self._grace, self._threads = serve, grace, threads
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()

    async def run(self, data: bytes, heard: Tell) -> bytes:
        child = self._idle.pop() if self._idle else self._make_child()
        self._busy.add(child)
        try:
            answer = await self._threads.run(partial(child.ask, data, heard))
        except NotStarted:  # new or used, it is as good as before
            self._idle.append(child)
            raise
        except BaseException:
            await finish(self._threads.run(partial(child.end, self._grace)))
            raise
        finally:
            self._busy.discard(child)
        self._idle.append(child)
        return answer

    def _make_child(self) -> "_Child":
        try:
            return _Child(self._serve)
        except OSError as error:
            raise NotStarted(f"no pipe is to be had: {error}") from error

    def close(self) -> None:
        for child in (*self._idle, *self._busy):
            child.kill()
        self._idle.clear()
        self._threads.close()


class _Child:
    """One process. Its methods block, and are called in threads."""

    def __init__(self, serve: Serve) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._ours, self._theirs = self._context.Pipe()
        self._process: SpawnProcess = self._context.Process(
            target=_answer_all, args=(serve, self._theirs), name="headrace-process", daemon=True
        )
        self._lock = threading.Lock()
        self._started = self._ended = False

    def ask(self, data: bytes, heard: Tell) -> bytes:
        """The answer to one call, or ProcessDied."""
        self._start()
        try:
            self._ours.send_bytes(data)
            while self._ours in wait([self._ours, self._process.sentinel]):
                frame = self._ours.recv_bytes()
                if frame[:1] == _ANSWER:
                    return frame[1:]
                heard(frame[1:])
        except (EOFError, OSError):
            pass  # it died while it was told, or while it answered
        self.end(0.0)
        raise ProcessDied(f"its process died: {exit_text(self._process.exitcode or 0)}")

    def _start(self) -> None:
        with self._lock:
            if self._ended:
                raise ProcessDied("its process was ended before it began")
            if not self._started:
                try:
                    self._process.start()
                except OSError as error:
                    raise NotStarted(f"no process is to be had: {error}") from error
                self._theirs.close()
                self._started = True

    def end(self, grace: float) -> None:
        """Asks it to end, and after ``grace`` seconds makes it. Returns when it is dead and reaped."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._started:
                if grace:
                    self._process.terminate()
                    self._process.join(grace)
                if self._process.exitcode is None and not wait([self._process.sentinel], 0):
                    self._process.kill()
                self._process.join()
            self._ours.close()

    def kill(self) -> None:
        """At once; whoever asked it is told that it died."""
        if self._started and self._process.is_alive():
            self._process.kill()


def _answer_all(serve: Serve, asked: Connection) -> None:
    """Runs in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    start_thread("headrace-parent-watch", _end_with_parent)
    home = Home()
    while True:
        try:
            data = asked.recv_bytes()
        except (EOFError, OSError):
            return
        call = _Call(asked, home)
        answer = serve(data, call.tell)
        home.end_fork()
        call.answer(answer)


class _Call:
    """One call, in the child: frames for the parent, of which the answer is the last."""

    def __init__(self, asked: Connection, home: Home) -> None:
        self._asked, self._home = asked, home
        self._lock = threading.Lock()
        self._answered = False

    def tell(self, data: bytes) -> None:
        """Nothing once it is answered, the parent would take it for the next call's; and nothing from a fork."""
        if self._home.is_fork:
            return
        with self._lock:
            if not self._answered:
                with suppress(OSError):  # the parent is gone, and so is this process in a moment
                    self._asked.send_bytes(_TOLD + data)

    def answer(self, data: bytes) -> None:
        with self._lock:
            self._answered = True
            self._asked.send_bytes(_ANSWER + data)


def _end_with_parent() -> None:
    """At once, whatever the handler does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
