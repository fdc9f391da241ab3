"""A program of its own, between a worker and a program that a job runs: it starts that, bounds what it prints, and
leaves nothing of it behind, whatever becomes of the worker.

Run as ``python -I -S minder.py DESCRIPTOR PARENT``. It sees nothing of headrace. Each import is paid for at every
start: ``json`` and ``signal`` would cost as much as all the rest.

On the socket DESCRIPTOR comes one order, as ``encode_order`` of ``system/command.py`` writes it. A byte after it says:
end it. Its end says: the worker is gone. One report goes back when no process is left: a line of words, then bytes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LIBC = ctypes.CDLL(None)
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_HUP, _INT, _KILL, _TERM, _CONT = 1, 2, 9, 15, 18
_DEFAULT, _IGNORE = ctypes.c_void_p(0), ctypes.c_void_p(1)
_OURS = (_HUP, _INT, _TERM)
"""Signals that we ignore: who stops all processes of a service means the worker, which tells us."""
_SIGNALS = range(1, 32)
"""Programs begin with none of them ignored: not those that Python ignores, nor those of a worker in the background."""

_CHUNK = 1 << 16
_LAST_CHUNKS = 64
"""What is read once all are dead: more comes only from a process that can't be killed."""
_SHORTEST_LOOK, _LONGEST_LOOK = 0.005, 0.1
_REST = 1.0
"""Seconds after which orphans of a running program are collected."""


class Order:
    """What to run, and how it is bounded."""

    def __init__(self, text: bytes, stdin: bytes) -> None:
        grace, output, talks, count, self.root, self.cwd, *words = text.split(b"\0")
        self.grace, self.output = float(grace), int(output)
        self.talks = talks == b"1"
        """Its stdin and stdout are ours, which are the worker's."""
        self.argv = words[: int(count)]
        self.environment = dict(pair.split(b"=", 1) for pair in words[int(count) :])
        self.stdin = stdin


class Refused(Exception):
    """It could not be started: at which step, and the error number."""


class Tail:
    """The end of a stream, and how long all of it was."""

    def __init__(self, limit: int) -> None:
        self._kept, self._limit, self.size = bytearray(), limit, 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._limit:
            del self._kept[: -self._limit]

    @property
    def kept(self) -> bytes:
        return bytes(self._kept[-self._limit :])


class Minder:
    """One program, from its start until none of its processes is left."""

    def __init__(self, order: Order, control: int, parent: int | None) -> None:
        self._order = order
        self._poll = select.poll()
        self._react: dict[int, Callable[[int], None]] = {}
        self._kill_at: float | None = None
        """None while nobody wants it ended."""
        self._told: set[int] = set()
        """Whom we asked to end: our children, and the group of the program by its number made negative."""
        self._look, self._kills = _SHORTEST_LOOK, False
        self._code: int | None = None
        self.worker_is_gone = False
        self._stdout, self._stderr = Tail(order.output), Tail(order.output)
        self._pid = self._start()
        self._watch(control, select.POLLIN, self._hear)
        self._watch(parent, select.POLLIN, self._lose_worker)
        ended = _descriptor_of(self._pid)
        self._watch(ended, select.POLLIN, self._forget)
        self._rest = _LONGEST_LOOK if ended is None else _REST

    # --- starting ----------------------------------------------------------------------------------------------------

    def _start(self) -> int:
        order = self._order
        failure, tell_failure = os.pipe()
        read_error, error = os.pipe()
        ends = [tell_failure, error]
        stdin, stdout = 0, 1
        if not order.talks:
            stdin, feed = os.pipe()
            read_output, stdout = os.pipe()
            ends += [stdin, stdout]
            self._watch(read_output, select.POLLIN, lambda end: self._read(end, self._stdout))
            self._left = memoryview(order.stdin)
            self._watch(feed, select.POLLOUT, self._feed)
        self._watch(read_error, select.POLLIN, lambda end: self._read(end, self._stderr))
        us = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(order, us, (stdin, stdout, error), tell_failure)
        for end in ends:
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDWR)
        for end in (0, 1):  # those of a program that talks: it would not see their end while we hold them
            os.dup2(nothing, end)
        told = os.read(failure, _CHUNK)
        os.close(failure)
        if told:
            os.waitpid(pid, 0)
            raise Refused(told)
        return pid

    # --- watching ----------------------------------------------------------------------------------------------------

    def _watch(self, end: int | None, events: int, react: Callable[[int], None]) -> None:
        if end is not None:
            os.set_blocking(end, False)
            self._poll.register(end, events)
            self._react[end] = react

    def _forget(self, end: int) -> None:
        self._poll.unregister(end)
        del self._react[end]
        os.close(end)

    def _hear(self, control: int) -> None:
        if not os.read(control, _CHUNK):
            self._lose_worker(control)
        elif self._kill_at is None:
            self._kill_at = time.monotonic() + self._order.grace

    def _lose_worker(self, end: int) -> None:
        """Another worker may run the same job at once: no time for manners."""
        self.worker_is_gone = True
        self._kill_at = 0.0
        self._forget(end)

    def _read(self, end: int, tail: Tail) -> None:
        data = os.read(end, _CHUNK)
        tail.add(data)
        if not data:
            self._forget(end)

    def _feed(self, end: int) -> None:
        try:
            self._left = self._left[os.write(end, self._left[:_CHUNK]) :]
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._forget(end)

    # --- ending ------------------------------------------------------------------------------------------------------

    def mind(self) -> None:
        """Returns when all that it started is dead. What a program leaves running is told to end when itself has."""
        while not self._collect():
            now = time.monotonic()
            if self._code is not None and self._kill_at is None:
                self._kill_at = now + self._order.grace
            if self._kill_at is not None:
                kill = now >= self._kill_at
                if kill and not self._kills:
                    self._kills, self._look = True, _SHORTEST_LOOK
                if not self._end(kill=kill):
                    break
            self._turn()
        for _ in range(_LAST_CHUNKS):
            if not self._turn_once(0.0):
                break

    def _collect(self) -> bool:
        """Whether no child is left, its own or adopted."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self._pid:
                self._code = os.waitstatus_to_exitcode(status)

    def _end(self, *, kill: bool) -> bool:
        """Tell all of them; False where none of them can be told, being of another user.

        A process whose parent has ended becomes our child, whatever session it moved to. Only children of ours are
        signalled, whose number nobody else can have, and the group of the program while that is not collected.
        """
        group = -self._pid
        targets = [group] if self._code is None else []
        for pid, leader in _children():
            if kill or -leader not in (*targets, *self._told):  # once only: a second one means hurry to some programs
                targets.append(pid)
        answers = [_signal(pid, kill) for pid in targets if kill or pid not in self._told]
        self._told.update(targets)
        return not kill or not answers or any(answers)

    def _turn(self) -> None:
        if self._kill_at is None:
            self._turn_once(self._rest)
            return
        left = self._kill_at - time.monotonic()
        self._turn_once(min(self._look, left) if left > 0 else self._look)
        self._look = min(2 * self._look, _LONGEST_LOOK)

    def _turn_once(self, seconds: float) -> bool:
        ready = self._poll.poll(seconds * 1000)
        for end, _ in ready:
            if end in self._react:
                self._react[end](end)
        return bool(ready)

    def report(self) -> bytes:
        """How it ended, and the ends of what it printed."""
        code = -_KILL if self._code is None else self._code
        parts = [self._stdout, self._stderr]
        sizes = " ".join(f"{len(part.kept)} {part.size}" for part in parts)
        return f"ended {code} {sizes}\n".encode() + b"".join(part.kept for part in parts)


def _become(order: Order, minder: int, stdio: Sequence[int], tell_failure: int) -> None:
    """In the new process: turn into the program, or tell why not."""
    step = "start"
    try:
        os.setsid()
        _LIBC.prctl(_SET_PDEATHSIG, _KILL)
        if os.getppid() != minder:
            os._exit(1)
        for number in _SIGNALS:
            _LIBC.signal(number, _DEFAULT)
        step = "root"
        os.chdir(order.root)
        root = os.getcwdb()
        step = "cwd"
        os.chdir(order.cwd)
        here = os.getcwdb()  # what symlinks made of it, and nothing can change it any more
        if here != root and not here.startswith(root.rstrip(b"/") + b"/"):
            step = "outside"
            raise PermissionError
        step = "program"
        for number, end in enumerate(stdio):
            os.dup2(end, number)
        os.execvpe(order.argv[0], order.argv, order.environment)
    except OSError as error:
        os.write(tell_failure, f"{step} {error.errno or 0}".encode())
    finally:
        os._exit(127)


def _children() -> Iterator[tuple[int, int]]:
    """All children that we have, with the leaders of their groups; ended ones included."""
    us = os.getpid()
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                _, parent, leader, *_ = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(parent) == us:
            yield pid, int(leader)


def _signal(pid: int, kill: bool) -> bool:
    """Whether it could be told; a stopped process hears of nothing but SIGKILL before it goes on."""
    try:
        os.kill(pid, _KILL if kill else _TERM)
        os.kill(pid, _CONT)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def _descriptor_of(pid: int) -> int | None:
    """Readable once that process has ended; None where the kernel is too old or doesn't let us."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _receive(control: int) -> Order | None:
    """The order; None where the worker ended before it was complete; Refused where it is to be ended already."""
    data = b""
    while b"\n" not in data:
        part = os.read(control, _CHUNK)
        if not part:
            return None
        data += part
    head, _, rest = data.partition(b"\n")
    text, stdin = map(int, head.split())
    parts = [rest]
    missing = text + stdin - len(rest)
    while missing > 0:
        part = os.read(control, min(missing, _CHUNK))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    whole = b"".join(parts)
    if len(whole) > text + stdin:
        raise Refused(b"start %d" % errno.ECANCELED)
    return Order(whole[:text], whole[text:])


def main(control: int, parent: int) -> None:
    """Mind one program for the process ``parent``."""
    _LIBC.prctl(_SET_CHILD_SUBREAPER, 1)
    for number in _OURS:
        _LIBC.signal(number, _IGNORE)
    os.set_inheritable(control, False)
    parent_end = _descriptor_of(parent)
    try:
        order = _receive(control) if os.getppid() == parent else None
        if order is None:
            return
        minder = Minder(order, control, parent_end)
    except Refused as refused:
        report = b"refused %s\n" % refused.args
    else:
        minder.mind()
        if minder.worker_is_gone:
            return
        report = minder.report()
    os.set_blocking(control, True)
    try:
        while report:
            report = report[os.write(control, report) :]
    except OSError:
        pass  # nobody is left to tell


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
