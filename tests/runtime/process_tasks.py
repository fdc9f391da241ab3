"""Tasks that run in processes: a module of its own, for children to import."""

import asyncio
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from headrace import Current, Headrace, RetryPolicy, Snooze, current
from headrace.model.errors import AttemptEnded, NotInProcess
from headrace.system.threads import start_thread

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


@app.task(executor="process", retry=ONCE)
def tells(gate: str) -> str:
    """Goes on once the file is there."""
    job = current()
    for percent in (10, 20, 30):
        job.progress(percent, f"step {percent}")
    job.log.debug("for nobody")
    job.log.warning("careful: %s", "fragile")
    while not Path(gate).exists():
        _pause(0.01)
    job.log.info("on")
    job.then(after.call(1), after.using(delay="1h").call(2), kv={"at": [7], "raw": b"\x00"})
    return "told"


@app.task(executor="process", retry=ONCE)
def tells_and(end: str) -> None:
    current().log.info("before")
    current().then(after.call(1), kv={"a": 1})
    match end:
        case "raise":
            raise ValueError("no")
        case "die":
            os._exit(3)
        case "hang":
            hangs(os.devnull)
        case "too late":
            start_thread("late", partial(tell_late, current()))


def tell_late(job: Current) -> None:
    """Runs in a thread that its handler leaves behind."""
    try:
        while True:
            job.progress(99, "late")
            job.then(after.call(9))
            _pause(0.001)
    except AttemptEnded:
        job.progress(99, "much later")


@app.task(queue="nobody")
async def after(number: int) -> None: ...


@app.task
async def fine() -> str:
    return "fine"


@app.task(executor="process", retry=ONCE)
def completes_early() -> list[str]:
    """What it is told of completing its job in a transaction of its own."""
    told = []
    for complete in (lambda: current().complete_in(None), lambda: asyncio.run(current().acomplete_in(None))):
        try:
            complete()
        except NotInProcess as error:
            told.append(str(error))
    return told
