"""What a call makes of rows, keys and records that were read under lock: changed in memory, then written back.

For whatever does not fit one statement. Each change sees what those before it left.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from headrace.model.change import APPLIED, MISSING, STALE, Change, Status, Verdict, inserted, passes, patched
from headrace.model.job import Encoding, Job, NewJob, Until
from headrace.model.record import QUEUE, Expect, Put
from headrace.model.state import FINAL, State
from headrace.storage.contract import Receipt
from headrace.storage.postgres.telling import Told

KeyName = tuple[str, str]
"""A queue and a key in it."""
RecordName = tuple[str, str]
"""A kind and a name."""
Fingerprint = tuple[str, str, Encoding]
"""Task, payload and encoding: what tells two jobs of one key apart."""

_RUNNING, _PENDING = State.RUNNING, State.PENDING


class Written(NamedTuple):
    """What a record becomes."""

    value: str | None
    """None: removed."""
    version: int
    lapses_at: int | None


class Draft:
    """One call's view of the store, at one moment."""

    def __init__(self, now: int, lease: int, told: Told) -> None:
        self.now, self.lease = now, lease
        self._told = told
        self.rows: dict[str, Job] = {}
        """By id; those that the call names and that are there."""
        self.there: set[str] = set()
        """Ids of new jobs that have a row already."""
        self.holders: dict[KeyName, str] = {}
        """Who holds a key."""
        self.fingerprints: dict[str, Fingerprint] = {}
        """Of holders that are there."""
        self.versions: dict[RecordName, int] = {}
        """Of records; 0 where there is none, or it has lapsed."""
        self.seen: set[RecordName] = set()
        """Records that have a row, locked by us, lapsed or not."""
        self.changed: set[str] = set()
        """Ids of rows that are no longer as they were read."""
        self.new: dict[str, NewJob] = {}
        self.taken: dict[KeyName, tuple[str, int | None]] = {}
        """Keys that change hands: who holds them now, and until when a window lasts."""
        self.freed: list[tuple[str, str, str]] = []
        """Keys given up: queue, key, and the job that held them, if it did."""
        self.written: dict[RecordName, Written] = {}
        self.left: set[str] = set()
        """Queues that have a running job less."""

    # --- new jobs ----------------------------------------------------------------------------------------------------

    def insert(self, jobs: Iterable[NewJob]) -> list[Receipt[object]]:
        """As ``contract.Storage.insert`` says of jobs."""
        return [self._insert(new) for new in jobs]

    def _insert(self, new: NewJob) -> Receipt[object]:
        if new.id in self.rows or new.id in self.there:
            return Receipt(new.id)
        if new.key is not None:
            name = (new.queue, new.key)
            holder = self.holders.get(name)
            if holder is not None:
                return Receipt(holder, True, self._differs(new, holder))
            self.holders[name] = new.id
            self.taken[name] = (new.id, self._ends_at(new))
        self.rows[new.id] = inserted(new, self.now)
        self.new[new.id] = new
        self.put_all(new.puts)
        self._told.topics.add(f"queue:{new.queue}")
        return Receipt(new.id)

    def _ends_at(self, new: NewJob) -> int | None:
        return self.now + round((new.window or 0) * 1000) if new.until is Until.WINDOW else None

    def _differs(self, new: NewJob, holder: str) -> bool:
        job = self.rows.get(holder)
        theirs = self.fingerprints.get(holder) if job is None else (job.task, job.payload, job.encoding)
        return theirs is not None and theirs != (new.task, new.payload, new.encoding)

    # --- records -----------------------------------------------------------------------------------------------------

    def put_all(self, puts: Sequence[Put]) -> Put | None:
        """All of these puts, one after another; or none, and the first that loses."""
        versions: dict[RecordName, int] = {}
        written: dict[RecordName, Written] = {}
        for put in puts:
            name = (put.kind, put.name)
            version = versions.get(name, self.versions.get(name, 0))
            if put.expect is not Expect.ANY and version != (0 if put.expect is Expect.ABSENT else put.expect):
                return put
            lapses_at = None if put.ttl is None else self.lease + round(put.ttl * 1000)
            written[name] = Written(put.value, version + 1, lapses_at)
            lapsed = put.value is None or (lapses_at is not None and lapses_at <= self.lease)
            versions[name] = 0 if lapsed else version + 1
        self.versions |= versions
        self.written |= written
        for kind, name_ in written:
            self._told.topics.add(f"record:{kind}")
            if kind == QUEUE:
                self._told.topics.add(f"queue:{name_}")
        return None

    # --- changes -----------------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> Verdict:
        """As ``contract.Storage.apply`` says of one change."""
        job, patch = self.rows.get(change.job_id), change.patch
        if job is None:
            return MISSING
        if not passes(change.guard, job):
            return STALE
        if patch.take_key and job.key is not None:
            holder = self.holders.get((job.queue, job.key))
            if holder is not None and holder != job.id:
                return Verdict(Status.HELD, holder)
        if change.puts and self.put_all(change.puts) is not None:
            return STALE
        after = self.rows[job.id] = patched(job, patch, self.now)
        self.changed.add(job.id)
        if job.key is not None and job.until is not Until.WINDOW:
            name = (job.queue, job.key)
            if patch.take_key:
                self.holders[name] = job.id
                self.taken[name] = (job.id, None)
            if patch.release_key:
                self._release(name, job.id)
        self.insert(change.then)
        self._tell(job, after)
        return APPLIED

    def _release(self, name: KeyName, job_id: str) -> None:
        if self.holders.get(name) == job_id:
            del self.holders[name]
        if self.taken.get(name, ("", None))[0] == job_id:
            del self.taken[name]
        self.freed.append((*name, job_id))

    def tell_queues(self, queues: Iterable[str]) -> None:
        """There is room in these."""
        self._told.queues(queues)

    def _tell(self, before: Job, after: Job) -> None:
        if before.state is _RUNNING and after.state is not _RUNNING:
            self.left.add(before.queue)
        if after.state is _PENDING:
            self._told.topics.add(f"queue:{after.queue}")
        elif after.state in FINAL:
            self._told.finals.append(after.id)
        elif after.state is _RUNNING and after.cancel_requested and not before.cancel_requested:
            self._told.topics.add(f"worker:{after.worker}")
