"""Memory and another storage take the same random steps on one clock, and must answer the same, always."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace
from random_steps import (
    KINDS,
    ORDERS,
    controls,
    entry_ages,
    indexes,
    keeps,
    kinds,
    moments,
    notes,
    orders,
    outcomes,
    policies,
    put_lists,
    puts,
    queues,
    rules_of_queues,
    wanted_entries,
    wheres,
    wishes,
    workers,
)

from headrace.model import lifecycle
from headrace.model.change import APPLIED, Change, In, Patch
from headrace.model.errors import PutLost
from headrace.model.job import Job, NewJob, Until
from headrace.model.mark import Mark, Role
from headrace.model.record import QUEUE, Put
from headrace.model.state import FINAL, RUNNING, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.contract import Beat, Demand, Entries, Filter, Holding, Page, Span, Storage
from headrace.storage.memory import MemoryStorage
from headrace.storage.moving import Row, Rows
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids

T = TypeVar("T")
ALL = 10_000


class Pair(RuleBasedStateMachine):
    """Two storages that are told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ids = Ids(self.clock, seed=1)
        self.runner = asyncio.Runner()
        self.memory = MemoryStorage(self.clock)
        self.other = self.make_other()
        self.seen: list[Job] = []
        self.offered: list[str] = []
        self.generations: dict[str, int] = {}
        self.inserted = self.removed = 0
        for storage in (self.memory, self.other):
            self.runner.run(storage.open())

    def teardown(self) -> None:
        self.move_into_the_same()
        for storage in (self.memory, self.other):
            self.runner.run(storage.close())
        self.runner.close()

    def make_other(self) -> Storage:
        """A handle on an empty store, which reads time from ``clock`` alone."""
        raise NotImplementedError

    # --- telling both ------------------------------------------------------------------------------------------------

    def both(self, call: Callable[[Storage], Awaitable[T]]) -> T:
        """What both answer."""
        ours, theirs = self.runner.run(self._ask(call))
        assert _plain(theirs) == _plain(ours)
        if isinstance(ours, PutLost):
            raise ours
        return ours

    async def _ask(self, call: Callable[[Storage], Awaitable[T]]) -> tuple[T | PutLost, T | PutLost]:
        answers: list[T | PutLost] = []
        for storage in (self.memory, self.other):
            try:
                answers.append(await call(storage))
            except PutLost as error:
                answers.append(error)
        return answers[0], answers[1]

    def present(self) -> dict[str, Job]:
        """All rows."""
        page = self.both(lambda storage: storage.find(Filter(), limit=ALL))
        return {job.id: job for job in page.jobs}

    def known(self, index: int) -> str:
        """An id that was offered once, if any was."""
        return self.offered[-1 - index % len(self.offered)] if self.offered else self.ids.new()

    def new(self, wish: Mapping[str, object], at: int | None = None, again: int | None = None) -> NewJob:
        """A new job, under an id that was used before if ``again`` says so."""
        job_id = self.ids.new() if again is None else self.known(again)
        self.offered.append(job_id)
        return NewJob(id=job_id, at=None if at is None else self.clock.wall() + at, **wish)

    # --- steps -------------------------------------------------------------------------------------------------------

    @rule(
        wanted=st.lists(
            st.tuples(wishes, st.sampled_from([None, None, -5_000, 0, 1, 2_000]), st.none() | st.none() | indexes),
            min_size=1,
            max_size=5,
        ),
        beside=st.just([]) | st.just([]) | put_lists,
    )
    def insert(self, wanted, beside):
        before = self.present()
        news = [self.new(wish, at, again) for wish, at, again in wanted]
        try:
            receipts = self.both(lambda storage: storage.insert(news, beside))
        except PutLost:
            assert self.present() == before
            return
        fresh = {receipt.id for receipt in receipts if not receipt.duplicate} - before.keys()
        self.inserted += len(fresh)
        assert self.present().keys() == before.keys() | fresh

    @rule(worker=workers, demands=st.lists(st.builds(Demand, queues, st.integers(0, 4)), min_size=1, max_size=3))
    def claim(self, worker, demands):
        jobs = self.both(lambda storage: storage.claim(worker, demands))
        assert len({job.id for job in jobs}) == len(jobs)
        self.seen += jobs

    @rule(worker=workers, ttl=st.sampled_from([0.0, 5.0, 30.0, 30.0]), indexes=st.lists(indexes, max_size=4))
    def beat(self, worker, ttl, indexes):
        own = [job for job in self.seen if job.worker == worker]
        holding = [Holding(job.id, job.generation) for job in (*self.some(indexes), *own[-5:])]
        self.both(lambda storage: storage.beat(worker, holding, ttl))

    @rule(worker=workers, demands=st.lists(st.builds(Demand, queues, st.integers(1, 4)), min_size=1, max_size=2))
    def beat_and_claim(self, worker, demands):
        self.both(lambda storage: storage.beat(worker, [], 30.0))
        self.claim(worker, demands)

    @rule(worker=workers, limit=st.integers(0, 5), queues=st.sampled_from([None, None, ["a"], ["a", "b"], []]))
    def reclaim(self, worker, limit, queues):
        self.seen += self.both(lambda storage: storage.reclaim(worker, limit, queues))

    @rule(gone=workers, rescuer=workers, limit=st.integers(0, 3), queues=st.sampled_from([None, None, ["a"], []]))
    def abandon_and_reclaim(self, gone, rescuer, limit, queues):
        for worker, ttl in ((rescuer, 30.0), (gone, 0.0)):
            self.both(lambda storage, worker=worker, ttl=ttl: storage.beat(worker, [], ttl))
        self.reclaim(rescuer, limit, queues)

    @rule(worker=workers)
    def rescue(self, worker):
        self.both(lambda storage: storage.beat(worker, [], 30.0))
        jobs = self.both(lambda storage: storage.reclaim(worker, 100))
        verdicts = self.both(lambda storage: storage.apply([lifecycle.lapse(job, 0.5) for job in jobs]))
        assert list(verdicts) == [APPLIED] * len(jobs)

    @rule(
        given=st.lists(orders, min_size=1, max_size=5),
        then=st.lists(wishes, max_size=2),
        beside=st.just([]) | st.just([]) | put_lists,
    )
    def apply(self, given, then, beside):
        before = self.present()
        changes = [change for change in (self.ordered(before, *order) for order in given) if change is not None]
        follow_ups = [self.new(wish) for wish in then]
        if changes:
            last = changes[-1]
            changes[-1] = Change(last.job_id, last.guard, last.patch, tuple(follow_ups), tuple(beside))
        verdicts = self.both(lambda storage: storage.apply(changes))
        fresh = self.present().keys() - before.keys()
        assert fresh <= {new.id for new in follow_ups}
        assert not fresh or verdicts[-1] == APPLIED
        self.inserted += len(fresh)

    def ordered(self, rows, name, index, stale, outcome, policy, noted):
        """An order about a row as it is now, or as it was when it was claimed."""
        about = self.some([index]) if stale else list(rows.values())[index % len(rows) :][:1] if rows else []
        change = ORDERS[name](about[0], outcome, policy) if about else None
        return None if change is None else replace(change, patch=replace(change.patch, notes=noted))

    def some(self, indexes) -> list[Job]:
        """Claims as they were seen, the latest ones first."""
        return [self.seen[-1 - index % len(self.seen)] for index in indexes] if self.seen else []

    @rule(outcome=outcomes, policy=policies)
    def settle_all_running(self, outcome, policy):
        jobs = [job for job in self.present().values() if job.state is State.RUNNING]
        changes = [lifecycle.settle(job, outcome, policy, 0.5) for job in jobs]
        verdicts = self.both(lambda storage: storage.apply(changes))
        assert list(verdicts) == [APPLIED] * len(jobs)

    @rule(index=indexes)
    def cancel_what_runs(self, index):
        jobs = [job for job in self.present().values() if job.state is State.RUNNING]
        changes = [lifecycle.cancel(job) for job in jobs[index % (len(jobs) or 1) :][:1]]
        self.both(lambda storage: storage.apply(changes))

    @rule(
        indexes=st.lists(indexes, min_size=1, max_size=3),
        states=st.sampled_from([WAITING | FINAL, WAITING | FINAL, FINAL, frozenset({State.DEAD}), RUNNING]),
    )
    def delete(self, indexes, states):
        verdicts = self.both(lambda storage: storage.delete([self.known(index) for index in indexes], states))
        self.removed += verdicts.count(APPLIED)

    @rule(keep=keeps, limit=st.sampled_from([0, 1, 2, 100, 100]), of_queues=rules_of_queues, ages=entry_ages)
    def prune(self, keep, limit, of_queues, ages):
        before, entries = self.present(), self.entries()
        removed = self.both(lambda storage: storage.prune(keep, limit, of_queues=of_queues, entries=ages))
        gone, lapsed = before.keys() - self.present().keys(), entries.keys() - self.entries().keys()
        assert len(gone) + len(lapsed) == removed
        assert len(gone) <= limit
        for job in (before[job_id] for job_id in gone):
            assert job.state in keep.keys() | of_queues.get(job.queue, {}).keys()
        for kind, number in Counter(entries[entry_id].kind for entry_id in lapsed).items():
            assert kind in ages
            assert number <= limit
        self.removed += len(gone)

    @rule(indexes=st.lists(indexes, min_size=1, max_size=4), noted=notes, stale=st.booleans())
    def note(self, indexes, noted, stale):
        """What handlers tell changes nothing but the notes."""
        before = self.present()
        jobs = self.some(indexes) if stale else [job for job in before.values() if job.state is State.RUNNING][:3]
        changes = [Change(job.id, lifecycle.held(job), Patch(notes=noted)) for job in jobs]
        self.both(lambda storage: storage.apply(changes))
        after = self.present()
        assert {job_id: replace(job, notes=None) for job_id, job in after.items()} == {
            job_id: replace(job, notes=None) for job_id, job in before.items()
        }

    @rule(index=indexes, noted=notes)
    def note_whatever_its_state(self, index, noted):
        change = Change(self.known(index), In(frozenset(State)), Patch(notes=noted))
        self.both(lambda storage: storage.apply([change]))

    @rule(wanted=st.lists(wanted_entries, max_size=5))
    def record(self, wanted):
        now = self.clock.wall()
        entries = [Entry(name, kind, queue, now + off, f"{now}") for name, kind, queue, off in wanted]
        self.both(lambda storage: storage.record(entries))
        kept = self.entries()
        assert all(kept[entry.id] == entry for entry in {entry.id: entry for entry in entries}.values())

    @rule(
        kind=kinds,
        queue=st.none() | queues,
        bounds=st.tuples(*[st.sampled_from([None, None, -5_000, -1, 0, 1])] * 2),
        limit=st.integers(1, 4),
    )
    def read_history(self, kind, queue, bounds, limit):
        since, until = (None if bound is None else self.clock.wall() + bound for bound in bounds)
        found: list[Entry] = []
        after: str | None = None
        while True:
            where = Span(kind, queue, since, until)
            page = self.both(lambda storage, after=after, where=where: storage.history(where, limit=limit, after=after))
            found += page.entries
            after = page.next
            if after is None:
                break
        assert found == sorted(found, key=lambda entry: (entry.at, entry.id))
        assert {entry.id for entry in found} == {
            entry.id
            for entry in self.entries().values()
            if entry.kind == kind
            and queue in (None, entry.queue)
            and (since is None or entry.at >= since)
            and (until is None or entry.at < until)
        }

    def entries(self) -> dict[str, Entry]:
        """All of the timeline."""
        pages = [self.both(lambda storage, kind=kind: storage.history(Span(kind), limit=ALL)) for kind in KINDS]
        return {entry.id: entry for page in pages for entry in page.entries}

    @rule(
        kind=st.sampled_from(["kv", "lease", QUEUE]),
        names=st.none() | st.lists(st.sampled_from(["x", "y", "a", "none"])),
        after=st.sampled_from([None, "", "a", "x", "y"]),
        limit=st.sampled_from([None, 0, 1, 2]),
    )
    def read_records(self, kind, names, after, limit):
        self.both(lambda storage: storage.records(kind, names=names, after=after, limit=limit))

    @rule(puts=st.lists(puts, min_size=1, max_size=4))
    def put(self, puts):
        self.both(lambda storage: storage.put(puts))

    @rule(queue=queues, value=controls, ttl=st.sampled_from([None, 5.0]), off=st.sampled_from([0, 1, 500, 30_000]))
    def control(self, queue, value, ttl, off):
        value = value % (self.clock.wall() + off) if value and "%" in value else value
        self.both(lambda storage: storage.put([Put(QUEUE, queue, value, ttl=ttl)]))

    @rule(seconds=moments)
    def advance(self, seconds):
        self.clock.advance(seconds)

    @rule(off=st.sampled_from([-0.001, 0.0, 0.0, 0.001]), worker=workers, queue=queues)
    def claim_about_the_next_due_time(self, off, worker, queue):
        seconds = self.both(lambda storage: storage.next_due([queue])) or 0.0
        self.clock.advance(max(0.0, seconds + off))
        self.beat_and_claim(worker, [Demand(queue, 1)])

    @rule(seconds=st.sampled_from([-3_600.0, -1.0, -0.001, 1.0, 3_600.0]))
    def step_wall(self, seconds):
        self.clock.step_wall(seconds)

    @rule(coin=st.integers(0, 4))
    def reboot(self, coin):
        if coin == 0:
            self.clock.reboot()

    @rule(where=wheres, limit=st.integers(1, 4), indexes=st.lists(indexes, max_size=4))
    def read(self, where, limit, indexes):
        self.both(lambda storage: storage.get([self.known(index) for index in indexes]))
        after: str | None = None
        found: list[str] = []
        while True:
            page = self.both(lambda storage, after=after: storage.find(where, limit=limit, after=after))
            found += [job.id for job in page.jobs]
            after = page.next
            if after is None:
                break
        assert found == sorted(set(found), reverse=True)

    @rule(queues=st.sampled_from([["a"], ["a", "b"], ["b", "none"], []]))
    def next_due(self, queues):
        self.both(lambda storage: storage.next_due(queues))

    @rule(limit=st.sampled_from([1, 2, 5, ALL]))
    def dump(self, limit):
        """Whatever was done before, the rows are the same, and in the same order."""
        after: str | None = None
        while True:
            page = self.both(lambda storage, after=after: storage.dump(limit=limit, after=after))
            after = page.next
            if after is None:
                break

    @rule()
    def move_into_memory(self):
        """What comes out of the one goes into an empty store, and comes out of that the same."""
        rows = list(self.runner.run(self.other.dump(limit=ALL)).rows)
        empty = MemoryStorage(self.clock)
        assert self.runner.run(_moved_into(empty, rows)) == rows

    def move_into_the_same(self) -> None:
        """Rows that are there are replaced by their like, whatever became of them. At the end: none runs any more."""
        rows = list(self.runner.run(self.memory.dump(limit=ALL)).rows)
        assert self.runner.run(_moved_into(self.other, rows)) == rows
        counts = Counter((row.queue, row.state) for row in rows if isinstance(row, Job))
        assert self.runner.run(self.other.count()) == counts

    # --- what is always so -------------------------------------------------------------------------------------------

    @invariant()
    def all_is_the_same(self):
        self.both(lambda storage: storage.now())
        self.both(_leases)
        self.entries()
        for kind in ("kv", "lease", QUEUE):
            self.both(lambda storage, kind=kind: storage.records(kind))

    @invariant()
    def nothing_is_lost(self):
        rows = self.present()
        assert len(rows) == self.inserted - self.removed
        counts = self.both(lambda storage: storage.count())
        assert sum(counts.values()) == len(rows)
        for job in rows.values():
            counts = {**counts, (job.queue, job.state): counts[job.queue, job.state] - 1}
        assert set(counts.values()) <= {0}

    @invariant()
    def running_rows_have_a_worker_and_generations_never_fall(self):
        rows = self.present()
        for job in rows.values():
            assert job.worker is not None or job.state is not State.RUNNING
            assert job.generation >= self.generations.get(job.id, 0)
            assert (job.finished_at is not None) == (job.state in FINAL)
        # A job that was deleted may come back under its id, and then begins anew.
        self.generations = {job.id: job.generation for job in rows.values()}

    @invariant()
    def no_two_jobs_hold_one_key(self):
        held = [
            (job.queue, job.key)
            for job in self.present().values()
            if job.key is not None and job.until is not Until.WINDOW and job.state not in FINAL
        ]
        assert len(held) == len(set(held))


async def _moved_into(storage: Storage, rows: Sequence[Row]) -> Sequence[Row]:
    """What the store holds then."""
    await storage.open()
    await storage.mark(Mark(Role.TARGET, "elsewhere", "m"))
    await storage.load(rows, None)
    found = (await storage.dump(limit=ALL)).rows
    await storage.mark(None)
    return list(found)


def _plain(answer: object) -> object:
    """An answer without what its type leaves open: which kind of sequence, and the order of a beat's ids."""
    match answer:
        case PutLost():
            return (answer.kind, answer.name)
        case Beat():
            return (list(answer.lost), sorted(answer.cancel_requested))
        case Page():
            return (list(answer.jobs), answer.next)
        case Rows():
            return (list(answer.rows), answer.next)
        case Entries():
            return (list(answer.entries), answer.next)
        case Mapping():
            return dict(answer)
        case list() | tuple():
            return list(answer)
    return answer


async def _leases(storage: Storage) -> Mapping[str, float]:
    """How long ago a lease has run out is the storage's own matter: those of another boot have no such time."""
    return {worker: max(0.0, left) for worker, left in (await storage.leases()).items()}
