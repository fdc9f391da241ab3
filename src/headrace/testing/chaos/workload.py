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

from headrace import HIGH, LOW, NORMAL, PermanentFailure, RetryPolicy, Snooze, Throttled, current
from headrace.interface.task import Call
from headrace.interface.template import Using
from headrace.model.job import Job, NewJob, Until
from headrace.model.rate import parse_rate
from headrace.model.state import State
from headrace.runtime.executor import CallNext
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.dice import Dice
from headrace.testing.history.records import Ended, Enqueueing, Started, Wanted

OPTIONS: Mapping[str, str] = {
    "lease": "2s",
    "poll": "300ms",
    "reap": "300ms",
    "grace": "3s",
    "patience": "5s",
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
CEILINGS: Mapping[str, int] = {"narrow": 4}
LIMIT, RATE, BURST = "upstream", "40/s", 10
SCHEDULE, EVERY = "beat", 0.7
ALONE_WITH_KEY = 25
"""How many dedup keys there are."""

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
    "blocks": 1,
}
"""How often each kind of job is asked for. ``Station.workload`` may say otherwise."""
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
    _declare_troubles(app)
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


def note_start(ledger: Ledger, job: Job) -> None:
    """Its handler begins."""
    ledger.write(
        lambda at, process: Started(
            at=at,
            process=process,
            job=job.id,
            generation=job.generation,
            attempt=job.attempt,
            payload=job.payload,
        )
    )


def note_end(ledger: Ledger, job: Job, outcome: str, result: object = None) -> None:
    """Its handler came to its end."""
    text = None if result is None else msgspec.json.encode(result).decode()
    ledger.write(
        lambda at, process: Ended(
            at=at,
            process=process,
            job=job.id,
            generation=job.generation,
            outcome=outcome,
            result=text,
        )
    )


# --- tasks -----------------------------------------------------------------------------------------------------------


def _pause(number: int) -> float:
    """A few milliseconds; now and then enough for a kill to come in between."""
    return 0.12 if number % 7 == 0 else number % 5 / 1000


def _declare_tasks(app: RecordedApp, ledger: Ledger) -> None:
    """Those that come to a good end."""

    async def work(number: int) -> int:
        await asyncio.sleep(_pause(number))
        return number

    for name, queue in {"work": None, "keyed": None, "narrow": "narrow", "child": None, "by_hand": BY_HAND}.items():
        app.task(name=name, queue=queue)(work)
    app.task(name="limited", queue="limited", limits=[LIMIT])(work)

    @app.task(name="tick")
    async def tick() -> None:
        await asyncio.sleep(0.001)

    @app.task(name="thread")
    def thread(number: int) -> int:
        time.sleep(_pause(number))
        return number

    @app.task(name="long")
    def long(number: int) -> int:
        time.sleep(0.5 + number % 10 / 10)
        return number

    @app.task(name="chain")
    async def chain(number: int) -> int:
        children = [app.by_name("child", {"number": number + extra}, {}) for extra in range(2)]
        await asyncio.sleep(_pause(number))
        follow(ledger, current().job, children)
        return number


def follow(ledger: Ledger, parent: Job, calls: Sequence[Call[object]]) -> None:
    """Leave these to be enqueued with the job's completion, under ids that are written down before."""
    new = [call.make(job_id) for call, job_id in zip(calls, current().then(*calls), strict=True)]
    note_wanted(ledger, new, parent.id)


def note_wanted(ledger: Ledger, new: Sequence[NewJob], parent: str | None = None) -> int:
    """Write down that these are asked for; the number of the call."""
    call = ledger.next_call()
    jobs = [wanted(each, parent) for each in new]
    ledger.write(lambda at, process: Enqueueing(at=at, process=process, call=call, jobs=jobs))
    return call


def _declare_troubles(app: RecordedApp) -> None:
    """Those that fail, wait, kill or are in the way."""

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

    @app.task(name="throttled", queue="limited", limits=[LIMIT])
    async def throttled(number: int) -> int:
        if not any(record.outcome == "throttled" for record in current().job.history):
            raise Throttled(0.2, limit=LIMIT)
        return number

    @app.task(name="dies")
    async def dies(number: int) -> int:
        if not current().job.history:
            raise PermanentFailure(f"{number} dies until an operator sends it back")
        return number

    @app.task(name="cancellable")
    async def cancellable(number: int) -> int:
        await asyncio.sleep(0.02 * (number % 20))
        return number

    @app.task(name="blocks")
    async def blocks(number: int) -> int:
        time.sleep(BLOCKING)  # noqa: ASYNC251 - that is the point
        return number

    @app.task(name="poison")
    async def poison(number: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return number


# --- asking for jobs -------------------------------------------------------------------------------------------------


class Asker:
    """Makes up jobs by chance, each with a number of its own."""

    def __init__(self, station: Station, new_id: Any) -> None:
        self._dice = Dice(station.seed).of(station.name)
        self._new_id = new_id
        self._number = station.number * 10_000
        weights = {**WEIGHTS, **{kind: int(weight) for kind, weight in station.workload.items() if kind in WEIGHTS}}
        self._kinds = [kind for kind, weight in weights.items() for _ in range(weight)]

    def ask(self, most: int) -> Sequence[Wanted]:
        """Up to ``most`` jobs."""
        return [self._one(self._dice.pick(self._kinds)) for _ in range(self._dice.whole(1, most))]

    def of_kind(self, kind: str, number: int) -> Sequence[Wanted]:
        """So many of one kind."""
        return [self._one(kind) for _ in range(number)]

    def _one(self, kind: str) -> Wanted:
        self._number += 1
        dice, job_id = self._dice, self._new_id()
        key, until, window = None, Until.FINISHED, None
        if kind == "keyed":
            until = dice.pick([Until.FINISHED, Until.FINISHED, Until.CLAIMED, Until.WINDOW])
            key = f"{until}-{dice.whole(1, ALONE_WITH_KEY)}"
            window = 1.5 if until is Until.WINDOW else None
        return Wanted(
            id=job_id,
            task=kind,
            queue={"narrow": "narrow", "limited": "limited", "throttled": "limited", "by_hand": BY_HAND}.get(
                kind, "default"
            ),
            payload=f'{{"number":{self._number}}}',
            priority=dice.pick([HIGH, NORMAL, NORMAL, LOW]),
            delay=dice.between(0.05, 0.8) if dice.chance(0.12) else 0.0,
            key=key,
            until=until,
            window=window,
        )

    @property
    def dice(self) -> Dice:
        """Chances of the process."""
        return self._dice


def call_of(app: RecordedApp, job: Wanted) -> Call[object]:
    """The call that asks for this job, again and again the same."""
    using: Using = {"id": job.id, "queue": job.queue, "priority": job.priority}
    if job.delay:
        using["delay"] = job.delay
    if job.key is not None:
        using["key"] = job.key
        if job.window is not None:
            using["for_"] = job.window
        else:
            using["until"] = "claimed" if job.until is Until.CLAIMED else "finished"
    return app.by_name(job.task, msgspec.json.decode(job.payload), using)


def wanted(new: NewJob, parent: str | None) -> Wanted:
    """A new job as it is written down."""
    return Wanted(
        id=new.id,
        task=new.task,
        queue=new.queue,
        payload=new.payload,
        priority=new.priority,
        delay=new.delay,
        due_at=new.at,
        key=new.key,
        until=new.until,
        window=new.window,
        parent=parent,
    )


def number_of(job: Job) -> int | None:
    """Which one it is; None for a tick."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(job.payload, type=dict[str, int]).get("number")
    return None
