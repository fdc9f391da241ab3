"""Handlers that do what no handler should: the app of ``headrace worker hostile:app``, for test_hostile_handlers."""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable

from headrace import Headrace, RetryPolicy, current

app = Headrace(
    "sqlite:///jobs.db",
    lease="2s",
    beat="500ms",
    poll="200ms",
    reap="500ms",
    grace="3s",
    kill_after="500ms",
    patience="3s",
    crash_budget=2,
)
ONCE = RetryPolicy.none()
HOG = 64 * 2**20


def write(name: str, value: object) -> None:
    with open(os.path.join(FOLDER, name), "a") as file:
        file.write(f"{value}\n")


FOLDER = os.getcwd()


def throw(error: BaseException) -> None:
    raise error


# --- what they raise --------------------------------------------------------------------------------------------------


class BrokenText(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text for you")


class NamelessKind(type):
    @property
    def __name__(cls) -> str:
        raise ValueError("no name for you")


class Nameless(Exception, metaclass=NamelessKind):
    pass


class Classless(Exception):
    @property
    def __class__(self) -> type:
        raise ValueError("no class for you")


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()

    def __reduce__(self) -> str:
        raise TypeError("no pickle for you")


def dig(depth: int = 0) -> int:
    return dig(depth + 1) + 1


def groups() -> None:
    error: Exception = ValueError("inmost")
    for _ in range(60):
        error = ExceptionGroup("many", [error, error])
    raise error


def hog() -> None:
    """All memory there is, under a limit that is lifted again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HOG, hard))
    taken = []
    try:
        while True:
            taken.append(bytearray(2**16))
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


RAISES: dict[str, Callable[[], object]] = {
    "SystemExit 0": lambda: sys.exit(0),
    "SystemExit 1": lambda: sys.exit(1),
    "BaseException": lambda: throw(BaseException("base")),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "CancelledError": lambda: throw(asyncio.CancelledError()),
    "GeneratorExit": lambda: throw(GeneratorExit()),
    "ExceptionGroup": groups,
    "BaseExceptionGroup": lambda: throw(BaseExceptionGroup("many", [KeyboardInterrupt(), SystemExit(0)])),
    "BrokenText": lambda: throw(BrokenText()),
    "Nameless": lambda: throw(Nameless()),
    "Classless": lambda: throw(Classless()),
    "Unpicklable": lambda: throw(Unpicklable()),
    "RecursionError": dig,
    "MemoryError": hog,
}


# --- what they do to their process ------------------------------------------------------------------------------------


def change_folder() -> None:
    os.makedirs("elsewhere", exist_ok=True)
    os.chdir("elsewhere")


def replace_time() -> None:
    """As libraries do that freeze it."""
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, lambda: 0.0)
    for name in ("time_ns", "monotonic_ns"):
        setattr(time, name, lambda: 0)
    time.sleep = lambda seconds: None


def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def close_streams() -> None:
    os.closerange(0, 3)


def leave_thread() -> None:
    threading.Thread(target=threading.Event().wait, name="left behind").start()


def leave_child() -> None:
    null = subprocess.DEVNULL
    write("left", subprocess.Popen(["sleep", "60"], stdin=null, stdout=null, stderr=null).pid)


def fork_and_return() -> None:
    pid = os.fork()
    if pid:
        write("forked", pid)


def fork_and_raise() -> None:
    pid = os.fork()
    if pid == 0:
        raise ValueError("in the fork")
    write("forked", pid)


CHANGES: dict[str, Callable[[], object]] = {
    "another folder": change_folder,
    "another umask": lambda: os.umask(0o777),
    "no environment": os.environ.clear,
    "warnings are errors": lambda: warnings.simplefilter("error"),
    "time stands still": replace_time,
    "no garbage collection": gc.disable,
    "small recursion limit": lambda: sys.setrecursionlimit(200),
    "signals are blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT}),
    "no streams": close_streams,
    "a thread is left": leave_thread,
    "a child is left": leave_child,
    "a fork returns": fork_and_return,
    "a fork raises": fork_and_raise,
}

keep: list[object] = []


def start_task(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    keep.append(asyncio.get_running_loop().create_task(fail()))


ON_LOOP: dict[str, Callable[[], object]] = {
    "signals are ignored": ignore_signals,
    "no wake-ups by signals": lambda: signal.set_wakeup_fd(-1),
    "a task exits": lambda: start_task(SystemExit(0)),
    "a task interrupts": lambda: start_task(KeyboardInterrupt()),
    "the loop is stopped": lambda: asyncio.get_running_loop().stop(),
}
"""Possible in the main thread or beside the loop only."""

DEATHS: dict[str, Callable[[], object]] = {
    "exit 0": lambda: os._exit(0),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "no descriptors": lambda: os.closerange(3, 4096),
}

ALL = {**RAISES, **CHANGES, **ON_LOOP, **DEATHS}


@app.task(name="loop", retry=ONCE)
async def on_loop(what: str) -> str:
    ALL[what]()
    return what


@app.task(name="thread", retry=ONCE)
def in_thread(what: str) -> str:
    ALL[what]()
    return what


@app.task(name="process", retry=ONCE, executor="process")
def in_process(what: str) -> str:
    ALL[what]()
    return what


# --- others -----------------------------------------------------------------------------------------------------------


@app.task(name="gather", retry=ONCE)
async def gather() -> None:
    """SystemExit in a task of the handler's own, which it waits for."""

    async def leave() -> None:
        sys.exit(0)

    await asyncio.gather(leave(), asyncio.sleep(60))


@app.task(name="interrupt")
async def interrupt() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "done"


@app.task(name="hold")
def hold_the_lock(seconds: int) -> int:
    """The first time it holds Python's global lock: not even the heart beats."""
    fence = current().fence
    write("held", os.getpid())
    if fence == 1:
        ctypes.PyDLL(None).sleep(seconds)
    return fence


@app.task(name="fine")
async def fine() -> str:
    await asyncio.sleep(0.001)
    return "fine"


@app.task(name="fine_too")
def fine_too() -> str:
    return "fine"
