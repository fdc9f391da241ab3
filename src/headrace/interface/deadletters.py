"""What operators do with dead jobs, async: list them, send them back, remove them. One, many, or all that are meant."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import TypedDict, Unpack, cast

import msgspec

from headrace.interface.config import check_count
from headrace.interface.core import JobReference, id_of
from headrace.interface.jobs import LARGEST_PAGE, Jobs
from headrace.interface.page import Page
from headrace.interface.since import Since, moment_of
from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.errors import InvalidOption
from headrace.model.job import Job
from headrace.model.names import check_name
from headrace.model.selection import Selection, check_reason, selects
from headrace.model.state import State
from headrace.runtime import events
from headrace.runtime.loop import turn
from headrace.storage.contract import Filter, Storage

_DEAD = frozenset({State.DEAD})
_FIRST_PAGE, _LARGEST = 100, 1_000
_PAGE_SIZE = 8_388_608
"""Characters that a page of jobs may hold in memory, once it is known how large these jobs are."""
_UNLIMITED = 1_000_000_000
_Pages = AsyncGenerator[Sequence[Job], None]


class Which(TypedDict, total=False):
    """What chooses among dead jobs: those that pass every condition given."""

    task: str | None
    reason: str | None
    """Why they died: ``exhausted``, ``permanent``, ``given_up``, ``poison`` or ``unknown_task``."""
    error: str | None
    """What their last error begins with: ``ValueError``, or ``ValueError: no such``."""
    finished_after: Since | None
    """Dead since this instant or later; a duration is that long ago."""
    finished_before: Since | None
    """Dead since before this instant; a duration is that long ago."""


class Retried(msgspec.Struct, frozen=True):
    """What ``retry_dead`` did."""

    count: int
    """Jobs sent back."""
    key_held: int
    """Jobs that stay dead because another job holds their key."""


class DeadLetters(Jobs):
    """Operations on dead jobs."""

    async def adead_letters(
        self, queue: str | None = None, *, limit: int = 50, after: str | None = None, **which: Unpack[Which]
    ) -> Page[Job]:
        """Dead jobs that pass every condition given, newest first."""
        check_count("limit", limit, most=LARGEST_PAGE)
        storage = (await self.here()).storage
        selection = await _select(storage, queue, which)
        if selection.is_plain:
            return await self.ajobs(state=State.DEAD, queue=queue, task=selection.task, limit=limit, after=after)
        found: list[Job] = []
        async with aclosing(_pages(storage, selection, after)) as pages:
            async for jobs in pages:
                found += islice(jobs, limit + 1 - len(found))
                if len(found) > limit:
                    return Page(found[:limit], found[limit - 1].id)
        return Page(found, None)

    async def aretry_dead(
        self,
        queue: str | None = None,
        *,
        jobs: Sequence[JobReference] | None = None,
        limit: int | None = None,
        **which: Unpack[Which],
    ) -> Retried:
        """Send back all dead jobs that pass every condition given, of these ``jobs`` where given, newest first, at
        most ``limit``. Those whose key another job holds stay, and are counted. Each page is one atomic step."""
        count = key_held = 0
        left = _most(limit)
        storage = (await self.here()).storage
        async with aclosing(await _choose(storage, queue, jobs, which)) as pages:
            async for found in pages:
                changes = [(job, change) for job in found if (change := lifecycle.retry(job)) is not None]
                while changes and left > 0:
                    part, changes = changes[:left], changes[left:]
                    verdicts = [verdict.status for verdict in await storage.apply([change for _, change in part])]
                    for (job, _), status in zip(part, verdicts, strict=True):
                        if status is Status.APPLIED:
                            self._tell(events.QUEUED, job, 0, "retried")
                    sent_back = verdicts.count(Status.APPLIED)
                    count, left = count + sent_back, left - sent_back
                    key_held += verdicts.count(Status.HELD)
                if left == 0:
                    break
        return Retried(count, key_held)

    async def aclear_dead_letters(
        self,
        queue: str | None = None,
        *,
        jobs: Sequence[JobReference] | None = None,
        limit: int | None = None,
        **which: Unpack[Which],
    ) -> int:
        """Remove all dead jobs that pass every condition given, chosen as in ``retry_dead``, and how many those were.
        One that is sent back meanwhile stays."""
        removed = 0
        left = _most(limit)
        storage = (await self.here()).storage
        async with aclosing(await _choose(storage, queue, jobs, which)) as pages:
            async for found in pages:
                ids = [job.id for job in found]
                while ids and left > 0:
                    part, ids = ids[:left], ids[left:]
                    verdicts = await storage.delete(part, _DEAD)
                    gone = sum(verdict.status is Status.APPLIED for verdict in verdicts)
                    removed, left = removed + gone, left - gone
                if left == 0:
                    break
        return removed


async def _choose(storage: Storage, queue: str | None, jobs: Sequence[JobReference] | None, which: Which) -> _Pages:
    ids = None if jobs is None else list(dict.fromkeys(map(id_of, _listed(jobs))))
    selection = await _select(storage, queue, which)
    return _pages(storage, selection) if ids is None else _named(storage, selection, ids)


def _listed(jobs: object) -> Sequence[JobReference]:
    if isinstance(jobs, str) or not isinstance(jobs, Sequence):
        raise InvalidOption("jobs", jobs, "it must be a list of jobs")
    return jobs


def _most(limit: int | None) -> int:
    return _UNLIMITED if limit is None else check_count("limit", limit, most=_UNLIMITED)


async def _select(storage: Storage, queue: str | None, which: Which) -> Selection:
    unknown = set(which) - set(Which.__annotations__)
    if unknown:
        name = min(unknown)
        raise InvalidOption(name, cast("dict[str, object]", which)[name], "dead jobs are not chosen by this")
    error = which.get("error")
    if error is not None and not isinstance(error, str):
        raise InvalidOption("error", error, "it must be text that the error begins with")
    now = await storage.now()
    return Selection(
        queue=None if queue is None else check_name("queue", queue),
        task=None if which.get("task") is None else check_name("task", which["task"]),
        reason=None if which.get("reason") is None else check_reason(which["reason"]),
        error=error,
        finished_after=_moment("finished_after", which.get("finished_after"), now),
        finished_before=_moment("finished_before", which.get("finished_before"), now),
    )


def _moment(option: str, value: Since | None, now: int) -> int | None:
    return None if value is None else moment_of(value, option, now)


async def _pages(storage: Storage, selection: Selection, after: str | None = None) -> _Pages:
    """Dead jobs that are meant. A page is as large as memory allows, by the size of the jobs before it."""
    where, size = Filter(_DEAD, selection.queue, selection.task), _FIRST_PAGE
    while True:
        page = await storage.find(where, limit=size, after=after)
        found = [job for job in page.jobs if selects(selection, job)]
        if found:
            yield found
        after = page.next
        if after is None:
            return
        average = sum(map(_size, page.jobs)) // len(page.jobs)
        size = max(1, min(2 * size, _LARGEST, _PAGE_SIZE // max(1, average)))
        await turn()  # a storage in memory answers at once: other tasks of this loop want their turn


async def _named(storage: Storage, selection: Selection, ids: Sequence[str]) -> _Pages:
    for start in range(0, len(ids), _FIRST_PAGE):
        rows = await storage.get(ids[start : start + _FIRST_PAGE])
        yield [job for job in rows if job is not None and selects(selection, job)]
        await turn()


def _size(job: Job) -> int:
    failures = (record.failure for record in job.history)
    return len(job.payload) + sum(len(failure.message) + len(failure.traceback) for failure in failures if failure)
