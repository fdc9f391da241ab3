"""What a run does with headrace: one app, its tasks, and which jobs are asked for how often.

Every feature that moves jobs about is used. What becomes of each kind of job in the end is said here too.
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from headrace import PermanentFailure, RetryPolicy, Snooze, Throttled, current
from headrace.interface.task import Call
from headrace.model.job import Job
from headrace.model.rate import parse_rate
from headrace.model.state import State
from headrace.runtime.executor import CallNext
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.notes import note_end, note_start, note_wanted
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station

OPTIONS: Mapping[str, str] = {
    "lease": "2s",
    "poll": "300ms",
    "reap": "300ms",
    "grace": "3s",
    "patience": "3s",
    "kill_after": "1s",
    "crash_budget": "1000",
}
"""Short, so that much happens in a minute. In the storm no number of crashes makes a job poison: healthy ones are
killed alone, and often. In the calm after it CRASH_BUDGET holds."""
CRASH_BUDGET = 3
CALM: Sequence[str] = ("work=40 blocks=2", "work=60 poison=3")
"""What is asked for in the calm after the storm, each once the one before is done."""
MAX_ATTEMPTS = 3
SLOTS: Mapping[str, int] = {"default": 8, "narrow": 3, "limited": 4}
BY_HAND = "by-hand"
QUEUES: Mapping[str, str] = {"narrow": "narrow", "limited": "limited", "throttled": "limited", "by_hand": BY_HAND}
"""Of tasks; of all others it is ``default``."""
CEILINGS: Mapping[str, int] = {"narrow": 4}
LIMIT, RATE, BURST = "upstream", "40/s", 10
SCHEDULE, EVERY = "beat", 0.7
KEYS, WINDOW = 25, 1.5
"""How many dedup keys there are of each sort, and the seconds of those that hold for a while."""

WEIGHTS: Mapping[str, int] = {
    "work": 300,
    "thread": 140,
    "flaky": 60,
    "chain": 70,
    "narrow": 60,
    "limited": 60,
    "keyed": 90,
    "snoozes": 30,
    "throttled": 5,
    "dies": 30,
    "cancellable": 60,
    "by_hand": 100,
    "long": 25,
    "patient": 40,
    "slow": 0,
    "blocks": 1,
}
"""How often each kind of job is asked for. ``Station.workload`` may say otherwise."""
SLOW = 4.0
"""Seconds for which ``slow`` runs and lets others run."""
BLOCKING = 3.0
"""Seconds for which ``blocks`` keeps its loop from turning: longer than a lease."""

ENDS: Mapping[str, frozenset[State]] = {
    "dies": frozenset({State.COMPLETED, State.DEAD}),
    "cancellable": frozenset({State.COMPLETED, State.CANCELLED}),
    "poison": frozenset({State.DEAD}),
}
"""The states in which jobs of a task may end; all others end completed."""


def burst() -> tuple[int, int, int]:
    """The limit in whole numbers: count, period in milliseconds, burst."""
    rate = parse_rate(RATE)
    return rate.count, rate.period, BURST


class Planned(Exception):
    """A failure that was planned."""


def make_app(station: Station, ledger: Ledger) -> RecordedApp:
    """The app of one process. Nothing is opened yet."""
    options: Any = {**OPTIONS, **station.options}
    options["crash_budget"] = int(options["crash_budget"])
    app = RecordedApp(station.url, retry=RetryPolicy.fixed(MAX_ATTEMPTS, 0.05), **options)
    app.record_in(ledger)
    app.limit(LIMIT, rate=RATE, burst=BURST)
    for queue, ceiling in CEILINGS.items():
        app.queue(queue, concurrency=ceiling)
    app.add_middleware(_traced(ledger))
    _declare_tasks(app, ledger)
    _declare_slow(app)
    _declare_troubles(app)
    _declare_killers(app)
    app.schedule(SCHEDULE, every=EVERY, catch_up="all", job=app.by_name("tick", {}, {}))
    return app


def _traced(ledger: Ledger) -> Any:
    """Writes down when a handler begins, and how it ends."""

    async def trace(job: Job, call_next: CallNext) -> object:
        note_start(ledger, job)
        try:
            result = await call_next(job)
        except BaseException as error:
            note_end(ledger, job, type(error).__name__)
            raise
        note_end(ledger, job, "returned", result)
        return result

    return trace


# --- tasks -----------------------------------------------------------------------------------------------------------


def _pause(number: int) -> float:
    """A few milliseconds; now and then enough for a kill to come in between."""
    return 0.12 if number % 7 == 0 else number % 5 / 1000


def _declare_tasks(app: RecordedApp, ledger: Ledger) -> None:
    """Those that come to a good end."""

    async def work(number: int) -> int:
        await asyncio.sleep(_pause(number))
        return number

    for name in ("work", "keyed", "narrow", "child", "by_hand"):
        app.task(name=name, queue=QUEUES.get(name))(work)
    app.task(name="limited", queue=QUEUES["limited"], limits=[LIMIT])(work)

    @app.task(name="tick")
    async def tick() -> None:
        await asyncio.sleep(0.001)

    @app.task(name="thread")
    def thread(number: int) -> int:
        time.sleep(_pause(number))
        return number

    @app.task(name="chain")
    async def chain(number: int) -> int:
        children = [app.by_name("child", {"number": number + extra}, {}) for extra in range(2)]
        await asyncio.sleep(_pause(number))
        _follow(ledger, current().job, children)
        return number


def _declare_slow(app: RecordedApp) -> None:
    """Those that last long enough to be run by two at once, where the first was stopped and wakes up again."""

    @app.task(name="long")
    def long(number: int) -> int:
        time.sleep(0.5 + number % 10 / 10)
        return number

    @app.task(name="patient")
    async def patient(number: int) -> int:
        await asyncio.sleep(1 + number % 10 / 10)
        return number

    @app.task(name="slow")
    async def slow(number: int) -> int:
        await asyncio.sleep(SLOW)
        return number


def _follow(ledger: Ledger, parent: Job, calls: Sequence[Call[object]]) -> None:
    """Leave these to be enqueued with the job's completion, under ids that are written down before."""
    ids = current().then(*calls)
    note_wanted(ledger, [call.make(job_id) for call, job_id in zip(calls, ids, strict=True)], parent.id)


def _declare_troubles(app: RecordedApp) -> None:
    """Those that fail, wait, or are stopped."""

    @app.task(name="flaky")
    async def flaky(number: int) -> int:
        await asyncio.sleep(_pause(number))
        if current().attempt == 1:
            raise Planned(f"{number} fails at its first attempt")
        return number

    @app.task(name="snoozes")
    async def snoozes(number: int) -> int:
        if not any(record.outcome == "snoozed" for record in current().job.history):
            raise Snooze(0.1)
        return number

    @app.task(name="throttled", queue=QUEUES["throttled"], limits=[LIMIT])
    async def throttled(number: int) -> int:
        if not any(record.outcome == "throttled" for record in current().job.history):
            raise Throttled(0.2, limit=LIMIT)
        return number

    @app.task(name="cancellable")
    async def cancellable(number: int) -> int:
        await asyncio.sleep(0.02 * (number % 20))
        return number


def _declare_killers(app: RecordedApp) -> None:
    """Those that fail for good, block their worker, or kill it."""

    @app.task(name="dies")
    async def dies(number: int) -> int:
        if not current().job.history:
            raise PermanentFailure(f"{number} dies until an operator sends it back")
        return number

    @app.task(name="blocks")
    async def blocks(number: int) -> int:
        time.sleep(BLOCKING)  # noqa: ASYNC251 - that is the point
        return number

    @app.task(name="poison")
    async def poison(number: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return number


def number_of(job: Job) -> int | None:
    """Which one it is; None for a tick."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(job.payload, type=dict[str, int]).get("number")
    return None
