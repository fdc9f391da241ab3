"""The one store behind all handles, and what each operation of the contract does to it. Called under its lock."""

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from headrace.model.change import (
    APPLIED,
    MISSING,
    STALE,
    Change,
    Status,
    Verdict,
    claimed,
    inserted,
    passes,
    patched,
    promoted,
    reclaimed,
)
from headrace.model.errors import PutLost
from headrace.model.job import Job, NewJob, Until
from headrace.model.record import QUEUE, Put
from headrace.model.state import FINAL, RUNNING, State
from headrace.storage.contract import Beat, Demand, Filter, Holding, Keep, Page, Receipt
from headrace.storage.memory.keys import Keys
from headrace.storage.memory.leases import BootTime, Leases
from headrace.storage.memory.notices import Notices
from headrace.storage.memory.pruning import prune_jobs
from headrace.storage.memory.records import Outcome, Records
from headrace.storage.memory.rows import Lane, Rows
from headrace.storage.memory.timeline import Timeline
from headrace.system.clock import Clock, steady

PROMOTED = 1000
"""How many due jobs of a queue one claim makes pending, at most: what keeps a claim flat when a million are due."""

_PENDING = State.PENDING
_RUNNING = State.RUNNING


class Store:
    """Rows, keys, records and leases on one clock."""

    def __init__(self, clock: Clock) -> None:
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.notices = Notices()
        self.records = Records()
        self.rows = Rows()
        self.timeline = Timeline()
        self._clock = clock
        self._keys = Keys()
        self._leases = Leases()
        self._now = 0

    def now(self) -> int:
        """The wall clock, made steady."""
        self._now = steady(self._clock.wall(), self._now)
        return self._now

    def boot_now(self) -> BootTime:
        """The clock of leases."""
        return BootTime.of(self._clock)

    def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put]) -> Sequence[Receipt[object]]:
        """All of them, or PutLost."""
        outcome = self.records.weigh(puts, self.boot_now())
        if isinstance(outcome, Put):
            raise PutLost(outcome.kind, outcome.name)
        self._settle_records(outcome)
        return self._insert(jobs, self.now())

    def _settle_records(self, outcome: Outcome) -> None:
        self.records.settle(outcome)
        if outcome and self.notices.wanted():
            self.notices.tell({f"record:{kind}" for kind, _ in outcome})
            self.notices.tell(f"queue:{name}" for kind, name in outcome if kind == QUEUE)

    def _write_own(self, puts: Sequence[Put]) -> None:
        """What a job brought along when it was inserted."""
        outcome = self.records.weigh(puts, self.boot_now())
        if not isinstance(outcome, Put):
            self._settle_records(outcome)

    def _insert(self, jobs: Iterable[NewJob], now: int) -> Sequence[Receipt[object]]:
        there, add = self.rows.jobs, self.rows.add
        receipts: list[Receipt[object]] = []
        queues: set[str] = set()
        for new in jobs:
            if new.id not in there:
                if new.key is not None:
                    holder = self._keys.holder(new.queue, new.key, now)
                    if holder is not None:
                        receipts.append(Receipt(holder, duplicate=True, payload_differs=self._differs(new, holder)))
                        continue
                    self._keys.hold(new, new.key, now)
                add(inserted(new, now))
                if new.puts:
                    self._write_own(new.puts)
                queues.add(new.queue)
            receipts.append(Receipt(new.id))
        self.notices.tell(f"queue:{queue}" for queue in queues)
        return receipts

    def _differs(self, new: NewJob, holder: str) -> bool:
        job = self.rows.jobs.get(holder)
        return job is not None and (job.task, job.payload, job.encoding) != (new.task, new.payload, new.encoding)

    def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        """Promotes, then takes."""
        boot_now, now = self.boot_now(), self.now()
        batch: list[Job] = []
        if self._leases.live(worker, boot_now):
            for demand in demands:
                lane = self.rows.lanes.get(demand.queue)
                if lane is not None:
                    self._promote(lane, now)
                    room = self._room(demand, lane, boot_now)
                    if room > 0:
                        self._take(worker, lane, room, now, batch)
        return batch

    def _promote(self, lane: Lane, now: int) -> None:
        for _, job_id in lane.later.take(PROMOTED, (now + 1,)):
            job = self.rows.jobs[job_id]
            self.rows.replace(job, promoted(job))

    def _room(self, demand: Demand, lane: Lane, boot_now: BootTime) -> int:
        control = self.records.control(demand.queue, boot_now)
        if control.paused or (control.cools_until or 0) > self._now:
            return 0
        if control.concurrency is None:
            return demand.limit
        return min(demand.limit, control.concurrency - lane.counts[_RUNNING])

    def _take(self, worker: str, lane: Lane, room: int, now: int, batch: list[Job]) -> None:
        jobs, start = self.rows.jobs, self.rows.start
        for _, _, job_id in lane.pending.take(room):
            job = jobs[job_id]
            if job.key is not None and job.until is Until.CLAIMED:
                self._keys.free(job)
            running = claimed(job, worker, now)
            start(running, lane)
            batch.append(running)

    def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        """Renews the lease, tells what was lost and what shall stop."""
        self._leases.extend(worker, ttl, self.boot_now())
        jobs = self.rows.jobs
        held: Collection[str] = self.rows.held_by.get(worker, ())
        lost = [
            held_one.job_id
            for held_one in holding
            if held_one.job_id not in held or jobs[held_one.job_id].generation != held_one.generation
        ]
        return Beat(lost, sorted(job_id for job_id in held if jobs[job_id].cancel_requested))

    def leases(self) -> Mapping[str, float]:
        """Of every worker that is not forgotten."""
        return self._leases.left(self.boot_now())

    def reclaim(self, worker: str, limit: int, queues: Collection[str] | None) -> Sequence[Job]:
        """Takes over what expired workers left."""
        now = self.boot_now()
        if not self._leases.live(worker, now):
            return []
        left = (
            self.rows.jobs[job_id]
            for holder, held in sorted(self.rows.held_by.items())
            if not self._leases.live(holder, now)
            for job_id in sorted(held)
        )
        batch: list[Job] = []
        for job in list(islice((job for job in left if queues is None or job.queue in queues), max(0, limit))):
            taken_over = reclaimed(job, worker)
            self.rows.replace(job, taken_over)
            batch.append(taken_over)
        self._leases.forget_ended(self.rows.held_by, now)
        return batch

    def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """One after another, each against what the ones before it left."""
        now = self.now()
        return [self._apply(change, now) for change in changes]

    def _apply(self, change: Change, now: int) -> Verdict:
        job = self.rows.jobs.get(change.job_id)
        if job is None:
            return MISSING
        if not passes(change.guard, job):
            return STALE
        patch = change.patch
        if job.key is not None and patch.take_key:
            holder = self._keys.holder(job.queue, job.key, now)
            if holder is not None and holder != job.id:
                return Verdict(Status.HELD, holder)
        if change.puts:
            outcome = self.records.weigh(change.puts, self.boot_now())
            if isinstance(outcome, Put):
                return STALE
            self._settle_records(outcome)
        after = patched(job, patch, now)
        self.rows.replace(job, after)
        if job.key is not None:
            if patch.take_key:
                self._keys.take_back(job, job.key)
            if patch.release_key:
                self._keys.release(job)
        if change.then:
            self._insert(change.then, now)
        if self.notices.wanted():
            self.notices.tell(_topics(job, after))
        return APPLIED

    def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        """Each by itself."""
        done: list[bool] = []
        for put in puts:
            outcome = self.records.weigh((put,), self.boot_now())
            done.append(not isinstance(outcome, Put))
            if not isinstance(outcome, Put):
                self._settle_records(outcome)
        return done

    def find(self, where: Filter, limit: int, after: str | None) -> Page:
        """One more than asked for tells whether there is a next page."""
        rows = self.rows.running(after) if where.states == RUNNING else self.rows.newest_first(after)
        found = list(islice((job for job in rows if _matches(job, where)), limit + 1))
        return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def count(self) -> Mapping[tuple[str, State], int]:
        """Of each queue and state that has any."""
        lanes = self.rows.lanes
        return {
            (queue, state): number for queue, lane in lanes.items() for state, number in lane.counts.items() if number
        }

    def delete(self, ids: Sequence[str], states: Collection[State]) -> Sequence[Verdict]:
        """Removes what doesn't run, with its keys."""
        return [self._delete(job_id, states) for job_id in ids]

    def _delete(self, job_id: str, states: Collection[State]) -> Verdict:
        job = self.rows.jobs.get(job_id)
        if job is None:
            return MISSING
        if job.state is _RUNNING or job.state not in states:
            return STALE
        self._keys.free(job)
        self.rows.remove(job)
        return APPLIED

    def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        of_queues: Mapping[str, Mapping[State, Keep]],
        entries: Mapping[str, float],
    ) -> int:
        """Jobs, and what else is kept for a time."""
        now = self.now()
        removed = prune_jobs(self.rows, keep, of_queues, now, limit, self._prune)
        self._keys.forget_lapsed(now)
        self.records.forget_lapsed(self.boot_now())
        return removed + self.timeline.prune(entries, now, limit)

    def _prune(self, entries: Sequence[tuple[int, str]]) -> int:
        for _, job_id in entries:
            job = self.rows.jobs[job_id]
            self._keys.release(job)
            self.rows.remove(job)
        return len(entries)

    def next_due(self, queues: Collection[str]) -> float | None:
        """Over all of these queues."""
        now = self.now()
        waits: list[float] = []
        for lane in (self.rows.lanes[queue] for queue in queues if queue in self.rows.lanes):
            if lane.pending.first() is not None:
                return 0.0
            later = lane.later.first()
            if later is not None:
                waits.append(max(0, later[0] - now) / 1000)
        return min(waits, default=None)


def _topics(before: Job, after: Job) -> Iterable[str]:
    if after.state is _PENDING:
        yield f"queue:{after.queue}"
    elif after.state in FINAL:
        yield f"job:{after.id}"
    elif after.state is _RUNNING and after.cancel_requested and not before.cancel_requested:
        yield f"worker:{after.worker}"


def _matches(job: Job, where: Filter) -> bool:
    return (
        (where.states is None or job.state in where.states)
        and (where.queue is None or job.queue == where.queue)
        and (where.task is None or job.task == where.task)
        and (where.worker is None or job.worker == where.worker)
        and (where.cancel_requested is None or job.cancel_requested == where.cancel_requested)
    )
