"""Tasks that run in processes: a module of its own, for children to import."""

import os
import signal
import sys
import time
from pathlib import Path

from headrace import Headrace, RetryPolicy, Snooze, current

app = Headrace("memory:")
_pause = getattr(time, "sleep")  # noqa: B009 - what a handler of a user may do
ONCE = RetryPolicy.none()


@app.task(executor="process", retry=ONCE)
def double(n: int) -> list[int]:
    return [n * 2, os.getpid(), current().attempt]


@app.task(executor="process", retry=ONCE)
async def double_async(n: int) -> int:
    return n * 2


@app.task(executor="process", retry=ONCE)
def raises(kind: str) -> None:
    match kind:
        case "snooze":
            raise Snooze(3600)
        case "exit":
            sys.exit(0)
        case _:
            raise ValueError("no")


@app.task(executor="process")
def dies(how: str) -> None:
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(executor="process", retry=ONCE, timeout="1h")
def hangs(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    while True:
        _pause(0.05)


@app.task(executor="process", retry=ONCE)
def stubborn(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hangs(path)


@app.task(executor="process", retry=ONCE)
def large() -> str:
    return "x" * 1_100_000


@app.task
async def fine() -> str:
    return "fine"
