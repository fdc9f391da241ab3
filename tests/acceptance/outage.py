"""A fleet of workers whose server goes away and comes back: what they do meanwhile, and how soon each is at work again.

All run in one process, each with an app of its own, and so with handles and a heart of its own. They reach the server
through a proxy; the producer reaches it directly, and goes on enqueueing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from headrace import Headrace
from headrace.model.job import Job
from headrace.model.state import State
from headrace.runtime.worker import Worker
from headrace.storage.postgres.pausing import most_tries
from headrace.testing.proxy import PostgresDialogue, ProxyThread

SECRET = "pw-of-the-fleet"
HANDLES = 2
"""Of each worker: its own, and that of its heart."""
Kind = Literal["refuses", "swallows"]


class Plan(msgspec.Struct, frozen=True):
    """How large, and how long."""

    workers: int
    jobs: int
    """Due when the server comes back."""
    seconds: float
    kind: Kind = "refuses"
    """A server that is down, or a network that is."""
    slots: int = 4
    lease: float = 30.0
    outlasts: bool = False
    """Whether handlers that ran when it began go on until all are back; else they end meanwhile."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it; seconds from the moment the server was back."""

    plan: Plan
    first_claim: float
    last_worker: float
    """Until every worker had claimed again."""
    drained: float
    """Until all jobs were recorded as completed."""
    tries: int
    """Connections that the fleet tried to make while the server was away."""
    most_tries: int
    """The bound that is promised for so many handles and seconds."""
    most_in_a_second: int
    finished_meanwhile: int
    """Handlers that ended while nothing could be recorded."""
    ran_twice: int
    """Of those, how many ran again."""
    crashes: int
    """How many of all jobs were taken for crashed."""


class Fleet:
    """The workers, and what their handlers see."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ids: list[str] = []
        self.claimed: dict[str, float] = {}
        """When each worker first had a job after the outage."""
        self.runs: Counter[str] = Counter()
        self.is_back, self.may_end, self.all_back = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.underway = 0
        self.all_underway = asyncio.Event()

    def app(self, url: str) -> Headrace:
        """One worker's."""
        app = Headrace(url, lease=self.plan.lease, poll=1.0)

        @app.task(name="early", queue="early")
        async def early(job_id: str) -> None:
            self.runs[job_id] += 1
            self.underway += 1
            if self.underway == self.plan.workers:
                self.all_underway.set()
            await self.may_end.wait()

        @app.task(name="late", queue="late")
        async def late() -> None:
            self.claimed.setdefault(str(id(app)), time.monotonic())
            if len(self.claimed) == self.plan.workers:
                self.all_back.set()
            await self.all_back.wait()

        return app


@asynccontextmanager
async def fleet(plan: Plan, url: str) -> AsyncIterator[Fleet]:
    """All at work, each with one job in hand."""
    ships = Fleet(plan)
    async with AsyncExitStack() as stack:
        for _ in range(plan.workers):
            app = ships.app(url)
            stack.push_async_callback(app.aclose)
            worker: Worker = await stack.enter_async_context(app.worker({"early": 1, "late": plan.slots}))
            ships.ids.append(worker.id)
        yield ships


def through(url: str, port: int) -> str:
    """The same database behind a proxy, as a user with a password."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0].partition(":")[0] or "postgres"
    return urlunsplit(parts._replace(netloc=f"{who}:{SECRET}@127.0.0.1:{port}"))


async def run(plan: Plan, url: str, within: float) -> Outcome:
    """One outage; TimeoutError where not all is done ``within`` so many seconds after it."""
    parts = urlsplit(url)
    with ProxyThread(parts.hostname or "127.0.0.1", parts.port or 5432, speaks=PostgresDialogue) as proxy:
        async with Headrace(url) as producer, fleet(plan, through(url, proxy.port)) as ships:
            calls = [producer.by_name("early", {"job_id": str(n)}, {"queue": "early"}) for n in range(plan.workers)]
            early = [receipt.id for receipt in await producer.aenqueue_many(calls)]
            await ships.all_underway.wait()
            began = time.monotonic()
            proxy.ask(lambda it: it.blackhole() if plan.kind == "swallows" else it.refuse())
            if plan.kind == "refuses":
                proxy.ask(lambda it: it.cut())
            before = proxy.ask(lambda it: len(it.counts.attempts))
            late = await _enqueue(producer, plan.jobs)
            if not plan.outlasts:
                ships.may_end.set()
            await _pass(began + plan.seconds - time.monotonic())
            tried = proxy.ask(lambda it: it.counts.attempts[before:])
            assert not ships.claimed
            back = time.monotonic()
            proxy.ask(lambda it: it.heal())
            try:
                async with asyncio.timeout(within):
                    await ships.all_back.wait()
                    ships.may_end.set()
                    rows = await _drained(producer, [*early, *late])
            except TimeoutError:
                ships.all_back.set()
                ships.may_end.set()
                lost = plan.workers - len(ships.claimed)
                raise AssertionError(f"{lost} workers are silent; jobs: {await producer.acounts()}") from None
            drained = time.monotonic()
        moments = [moment - back for moment in ships.claimed.values()]
        return Outcome(
            plan=plan,
            first_claim=round(min(moments), 2),
            last_worker=round(max(moments), 2),
            drained=round(drained - back, 2),
            tries=len(tried),
            most_tries=HANDLES * plan.workers * most_tries(back - began),
            most_in_a_second=max(Counter(int(moment) for moment in tried).values(), default=0),
            finished_meanwhile=plan.workers,
            ran_twice=sum(runs > 1 for runs in ships.runs.values()),
            crashes=sum(row.crashes for row in rows),
        )


async def _enqueue(producer: Headrace, jobs: int) -> list[str]:
    ids: list[str] = []
    for start in range(0, jobs, 1000):
        calls = [producer.by_name("late", {}, {"queue": "late"}) for _ in range(start, min(start + 1000, jobs))]
        ids += [receipt.id for receipt in await producer.aenqueue_many(calls)]
    return ids


async def _drained(producer: Headrace, ids: list[str]) -> list[Job]:
    """The rows, once all are completed."""
    storage = (await producer.here()).storage
    while True:
        counts = await storage.count()
        if sum(number for (_, state), number in counts.items() if state is State.COMPLETED) == len(ids):
            return [job for job in await storage.get(ids) if job is not None]
        await _pass(0.1)


async def _pass(seconds: float) -> None:
    """An outage lasts as long as it lasts: there is nothing else to wait for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
