"""The app under test. Its handlers leave their traces in a ledger that is no part of the store.

``headrace worker survival.app:app`` runs it under a supervisor, ``python -m survival.worker`` in one process.
"""

import asyncio
import logging
import os
import signal
import time

from headrace import Headrace, PermanentFailure, RetryPolicy, current
from headrace.runtime.events import COMPLETED, Event
from survival.ledger import Ledger

effects = Ledger(os.environ["SURVIVAL_EFFECTS"])
ups = Ledger(os.environ["SURVIVAL_EFFECTS"] + "-up")
app = Headrace(
    lease=os.environ.get("SURVIVAL_LEASE", "2s"),
    poll=os.environ.get("SURVIVAL_POLL", "500ms"),
    reap="400ms",
    grace="5s",
    patience=os.environ.get("SURVIVAL_PATIENCE", "10s"),
    kill_after="1s",
    crash_budget=int(os.environ.get("SURVIVAL_CRASH_BUDGET", "1000")),
    retry=RetryPolicy.fixed(3, 0.05),
)


class LogLedger(logging.Handler):
    """What the library reports, as records."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        text = text if len(text) < 2000 else text[:500] + " ... " + text[-1000:]
        effects.write("log", pid=os.getpid(), level=record.levelname, text=text)


logging.getLogger("headrace").addHandler(LogLedger())


def trace(kind: str, number: int) -> None:
    me = current()
    effects.write(
        kind,
        job=me.job.id,
        fence=me.fence,
        attempt=me.attempt,
        pid=os.getpid(),
        number=number,
        at=time.monotonic(),  # of the machine, the same in all processes
    )


@app.on_worker_start
def tell_up() -> None:
    ups.write("up", pid=os.getpid(), parent=os.getppid())


@app.on(COMPLETED)
def tell_completed(event: Event) -> None:
    effects.write("completed", job=event.job_id, worker=event.worker, pid=os.getpid())


def duration(number: int) -> float:
    """A few milliseconds; now and then enough for a kill to come in between."""
    return 0.08 if number % 6 == 0 else number % 4 / 1000


@app.task
async def work(number: int) -> int:
    trace("start", number)
    await asyncio.sleep(duration(number))
    trace("end", number)
    return number


@app.task
def work_in_thread(number: int) -> int:
    trace("start", number)
    time.sleep(duration(number))
    trace("end", number)
    return number


@app.task
async def block_loop(seconds: float) -> int:
    """Blocks the loop the first time; whoever runs it again doesn't."""
    trace("start", 0)
    time.sleep(seconds if current().fence == 1 else 0)  # noqa: ASYNC251 - that is the point
    trace("end", 0)
    return current().fence


@app.task
def block_thread(seconds: float) -> int:
    """Blocks its thread the first time; whoever runs it again doesn't."""
    trace("start", 0)
    time.sleep(seconds if current().fence == 1 else 0)
    trace("end", 0)
    return current().fence


@app.task
async def kill_its_process() -> None:
    trace("start", 0)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def die_once(number: int) -> int:
    """Dead at its first attempt; completes once an operator has sent it back."""
    trace("start", number)
    if not current().job.history:
        raise PermanentFailure(f"{number} dies once")
    return number
