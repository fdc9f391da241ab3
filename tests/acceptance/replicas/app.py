"""The app of every replica. Its handlers write down when they began and ended. ``replicas.newer`` knows one task more.

``HEADRACE_LEASE`` and ``HEADRACE_POLL`` are up to who starts it.
"""

import asyncio
import logging
import os
import time
from typing import Any

from survival.ledger import Ledger
from survival.limited import BURST, RATE, write_permits_down

from headrace import Headrace, current
from replicas import EVERY

effects = Ledger(os.environ["SURVIVAL_EFFECTS"])
app = Headrace(reap="400ms", grace="5s", kill_after="1s")
app.limit("upstream", rate=RATE, burst=BURST)


class LogLedger(logging.Handler):
    """What the library reports, as records."""

    def emit(self, record: logging.LogRecord) -> None:
        effects.write("log", pid=os.getpid(), level=record.levelname, text=record.getMessage()[-1000:])


logging.getLogger("headrace").addHandler(LogLedger(logging.WARNING))


def trace(kind: str) -> None:
    me = current()
    effects.write(
        kind,
        job=me.job.id,
        queue=me.job.queue,
        task=me.job.task,
        fence=me.fence,
        attempt=me.attempt,
        pid=os.getpid(),
        at=time.monotonic(),  # of the machine, the same in all processes
    )


@app.on_worker_start
async def begin() -> None:
    storage: Any = (await app.here()).storage
    write_permits_down(storage)
    Ledger(os.environ["SURVIVAL_EFFECTS"] + "-up").write("up", pid=os.getpid(), parent=os.getppid())


async def work(seconds: float) -> None:
    """Where it is cancelled, that is its end."""
    trace("begin")
    try:
        await asyncio.sleep(seconds)
    finally:
        trace("end")


@app.task(name="plain", queue="plain")
async def plain(number: int) -> None:
    await work(number % 4 / 1000)


@app.task(name="narrow", queue="narrow")
async def narrow(number: int) -> None:
    await work(0.3)


@app.task(name="limited", queue="limited", limits=["upstream"])
async def limited(number: int) -> None:
    trace("start")
    await work(0.002)


@app.task(name="long", queue="long")
async def long() -> None:
    await work(300)


@app.task(name="answer", queue="answer")
async def answer() -> float:
    await work(0.1)
    return time.monotonic()


@app.task(name="tick", queue="tick")
async def tick() -> None:
    await work(0)


app.schedule("tick", every=EVERY, catch_up="all", job=tick.call())
