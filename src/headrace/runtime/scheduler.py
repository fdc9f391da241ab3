"""Enqueues the jobs of ticks that are due, each with the cursor of its schedule in one step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from headrace.model.errors import HeadraceError, PutLost, ScheduleUnreadable
from headrace.model.job import NewJob
from headrace.model.record import SCHEDULE, Put
from headrace.model.schedule import Schedule, due, job_of
from headrace.model.schedule_record import put_schedule
from headrace.runtime.agenda import Agenda
from headrace.runtime.loop import Report
from headrace.storage.contract import Receipt, Storage

_MOST = 1_000
"""Jobs, and schedules, in one transaction."""
_SHARE = 100
"""Ticks of one schedule in one transaction: one that makes a year good holds no other up."""
_PAGE = 1_000

Queued = Callable[[NewJob, Receipt[object]], None]
"""Told of every job that a tick brought."""


class _Firing(NamedTuple):
    """What one schedule does now."""

    version: int
    after: Schedule
    jobs: Sequence[NewJob]

    @property
    def put(self) -> Put:
        return put_schedule(self.after, self.version)


class Scheduler:
    """Safe beside others of its kind: the cursor of a schedule moves by compare-and-set, and its jobs exist if and
    only if it moved."""

    def __init__(self, storage: Storage, new_id: Callable[[], str], report: Report, queued: Queued) -> None:
        self._storage, self._new_id, self._report, self._queued = storage, new_id, report, queued
        self._agenda = Agenda(report)

    async def schedule_once(self) -> int:
        """Read all schedules and do one bounded step: how many ticks it dealt with. Zero: none is due."""
        await self.read()
        return (await self.fire())[0]

    async def read(self) -> None:
        """Learn all schedules anew."""
        names: list[str] = []
        after: str | None = None
        while True:
            records = await self._storage.records(SCHEDULE, after=after, limit=_PAGE)
            self._agenda.learn(records)
            names += [record.name for record in records]
            if len(records) < _PAGE:
                self._agenda.keep_only(names)
                return
            after = records[-1].name

    def forget(self) -> None:
        """What others do meanwhile is not followed."""
        self._agenda = Agenda(self._report)

    async def fire(self) -> tuple[int, float | None]:
        """One bounded step: how many ticks it dealt with, and the seconds from now until the next; None: there is none.
        After an error nothing is known: ``read`` again."""
        now = await self._storage.now()
        count = await self._insert(self._take(now))
        next_at = self._agenda.next_at()
        return count, None if next_at is None else max(0, next_at - now) / 1000

    def _take(self, now: int) -> Sequence[_Firing]:
        firings: list[_Firing] = []
        room = _MOST
        for version, schedule in self._agenda.take_due(now):
            try:
                found = due(schedule, now, min(room, _SHARE))
                if found is None:
                    continue
                jobs = [job_of(schedule, tick, self._new_id()) for tick in found.ticks]
            except Exception as error:  # its zone is not known here, say: the others go on
                self._agenda.set_aside(schedule.name, version, error)
                continue
            firings.append(_Firing(version, found.after, jobs))
            room -= len(jobs)
            if room <= 0 or len(firings) >= _MOST:
                break
        return firings

    async def _insert(self, firings: Sequence[_Firing]) -> int:
        """All of them in one step; where one is in the way, the others without it. How many ticks are done with."""
        if not firings:
            return 0
        jobs = [job for firing in firings for job in firing.jobs]
        try:
            receipts = await self._storage.insert(jobs, [firing.put for firing in firings])
        except PutLost as error:
            return await self._insert(await self._still_ours(firings, error.name))
        except HeadraceError:
            raise
        except Exception as error:
            if len(firings) > 1:
                return sum([await self._insert([firing]) for firing in firings])
            self._report("scheduler", ScheduleUnreadable(firings[0].after.name, f"{type(error).__name__}: {error}"))
            return 0
        for firing in firings:
            self._agenda.advance(firing.after, firing.version + 1)
        for new, receipt in zip(jobs, receipts, strict=True):
            self._queued(new, receipt)
        return sum(len(firing.jobs) or 1 for firing in firings)  # one at least was skipped, if none was fired

    async def _still_ours(self, firings: Sequence[_Firing], lost: str) -> Sequence[_Firing]:
        """Somebody else ticked, edited or removed some of them: as they are now, they come up again by themselves."""
        names = [firing.after.name for firing in firings]
        records = {record.name: record for record in await self._storage.records(SCHEDULE, names=names)}
        ours: list[_Firing] = []
        for firing in firings:
            record = records.get(firing.after.name)
            if record is not None and record.version == firing.version and record.name != lost:
                ours.append(firing)
            elif record is not None:
                self._agenda.learn([record])
        return ours
