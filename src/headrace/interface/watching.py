"""What a program sees of the processes on its store, and of what they did: workers, the timeline, metrics."""

from collections.abc import Mapping, Sequence

import msgspec

from headrace.interface.config import check_count
from headrace.interface.core import Core
from headrace.interface.jobs import LARGEST_PAGE
from headrace.interface.page import Page
from headrace.interface.since import Since, moment_of
from headrace.model.job import Job
from headrace.model.metric import OTHER, Activity, Interval, Metric, metric_of
from headrace.model.names import check_name
from headrace.model.presence import Presence
from headrace.model.record import WORKER, Record
from headrace.model.state import RUNNING
from headrace.model.timeline import Entry
from headrace.runtime.timeline import BUCKET, EVENT, writer_of
from headrace.storage.contract import Entries, Filter, Span, Storage

_MOST_RUNNING = 100

_activity = msgspec.json.Decoder(Activity)
_presence = msgspec.json.Decoder(Presence)


class RunningJob(msgspec.Struct, frozen=True):
    """A job in the hands of a worker."""

    id: str
    task: str
    queue: str
    attempt: int
    started_at: int
    """Milliseconds since 1970 UTC."""


class KnownWorker(msgspec.Struct, frozen=True):
    """A worker process, as it told of itself."""

    id: str
    """Made afresh for every start."""
    presence: Presence
    lease: float
    """Seconds that its lease has left. 0 or less: it has not been heard of, and others may take its jobs."""
    running: Sequence[RunningJob]
    """What it holds now; the newest 100 of more."""


class Watching(Core):
    """Operations that look at workers and at what they did."""

    async def aworkers(self, *, limit: int = 50, after: str | None = None) -> Page[KnownWorker]:
        """The workers on this store, oldest first, each with what it runs. One that vanished is listed until its
        jobs are rescued."""
        check_count("limit", limit, most=LARGEST_PAGE)
        storage = (await self.here()).storage
        records = await storage.records(WORKER, after=after, limit=limit + 1)
        leases = await storage.leases()
        found = [await _known(storage, record, leases) for record in records[:limit]]
        return Page(found, found[-1].id if len(records) > limit else None, "workers")

    async def ametrics(
        self,
        queue: str | None = None,
        *,
        since: Since = "1h",
        until: Since | None = None,
        limit: int = 1_000,
        after: str | None = None,
    ) -> Page[Metric]:
        """What happened in each minute that has ended, by queue, oldest first: counts, waiting and running times.

        ``since`` and ``until`` are aware datetimes, or durations: so long ago. Minutes are kept for 30 days, and are
        there half a minute after their end; nothing stands for a minute in which nothing happened.
        """
        page = await self._history(BUCKET, queue, since, until, limit, after)
        return Page(
            [metric_of(one.at, one.queue, _activity.decode(one.value)) for one in page.entries], page.next, "rows"
        )

    async def atimeline(
        self,
        queue: str | None = None,
        *,
        since: Since = "10m",
        until: Since | None = None,
        limit: int = 1_000,
        after: str | None = None,
    ) -> Page[Interval]:
        """What happened in every ten seconds, by queue and worker, oldest first: counts by task. The last ones are
        two seconds behind. Kept for a day; ``metrics`` tells the same by minutes, for 30 days."""
        page = await self._history(EVENT, queue, since, until, limit, after)
        return Page([_interval(entry) for entry in page.entries], page.next, "rows")

    async def _history(
        self, kind: str, queue: str | None, since: Since, until: Since | None, limit: int, after: str | None
    ) -> Entries:
        check_count("limit", limit, most=LARGEST_PAGE)
        if queue is not None and queue != OTHER:
            check_name("queue", queue)
        storage = (await self.here()).storage
        now = await storage.now()
        span = Span(
            kind,
            queue,
            since=moment_of(since, "since", now),
            until=None if until is None else moment_of(until, "until", now),
        )
        return await storage.history(span, limit=limit, after=after)


def _interval(entry: Entry) -> Interval:
    return Interval(entry.at, entry.queue, writer_of(entry), _activity.decode(entry.value).tasks)


async def _known(storage: Storage, record: Record, leases: Mapping[str, float]) -> KnownWorker:
    held = await storage.find(Filter(states=RUNNING, worker=record.name), limit=_MOST_RUNNING)
    running = [_running(job) for job in held.jobs]
    return KnownWorker(record.name, _presence.decode(record.value), leases.get(record.name, 0.0), running)


def _running(job: Job) -> RunningJob:
    return RunningJob(job.id, job.task, job.queue, job.attempt, job.started_at or job.enqueued_at)
