"""Reads what a draft needs, under locks in one order for all, and writes back what it has changed."""

from collections.abc import Collection, Sequence

from headrace.model.change import Change
from headrace.model.job import Encoding, Job, NewJob
from headrace.model.record import Put
from headrace.model.state import State
from headrace.storage.keeping import kept_for
from headrace.storage.postgres.draft import Draft, KeyName
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.rows import (
    encoding_text,
    history_text,
    job_of,
    notes_text,
    options_text,
    until_text,
)
from headrace.storage.postgres.statement import Contended, Statement, Steps
from headrace.storage.postgres.telling import Told

_APPLY, _INSERT, _KEYS, _RECORDS = (load_queries(area) for area in ("apply", "insert", "keys", "records"))


def begin(told: Told) -> Steps[Draft]:
    """A draft at this moment."""
    rows = yield Statement(_INSERT["moment"], (told.latest,))
    told.now = rows[0][0]
    return Draft(told.now, rows[0][1], told)


def load(draft: Draft, jobs: Sequence[NewJob], puts: Sequence[Put], changes: Sequence[Change]) -> Steps[None]:
    """Rows first, then keys, then records: whoever locks goes this way."""
    yield from _load_rows(draft, [change.job_id for change in changes])
    if jobs:
        draft.there.update(row[0] for row in (yield Statement(_INSERT["there"], ([new.id for new in jobs],))))
    names = {(new.queue, new.key) for new in jobs if new.key is not None}
    named = (draft.rows.get(change.job_id) for change in changes if change.patch.take_key)
    names |= {(job.queue, job.key) for job in named if job is not None and job.key is not None}
    if names:
        yield from _load_holders(draft, names)
    yield from load_records(draft, [*puts, *(put for change in changes for put in change.puts)], jobs)


def _load_rows(draft: Draft, ids: Collection[str]) -> Steps[None]:
    if ids:
        rows = yield Statement(_APPLY["rows"], (list(ids),))
        draft.rows.update((job.id, job) for job in map(job_of, rows))


def _load_holders(draft: Draft, names: Collection[KeyName]) -> Steps[None]:
    queues, keys = zip(*sorted(names), strict=True)
    for queue, key, job_id in (yield Statement(_KEYS["holders"], (list(queues), list(keys), draft.now))):
        draft.holders[queue, key] = job_id
    unknown = [job_id for job_id in draft.holders.values() if job_id not in draft.rows]
    if unknown:
        for job_id, task, payload, encoding in (yield Statement(_INSERT["fingerprints"], (unknown,))):
            draft.fingerprints[job_id] = (task, payload, Encoding(encoding or "json"))


def load_records(draft: Draft, puts: Sequence[Put], jobs: Sequence[NewJob] = ()) -> Steps[None]:
    """The versions of all that is to be put, locked."""
    names = sorted({(put.kind, put.name) for put in (*puts, *(put for new in jobs for put in new.puts))})
    if names:
        kinds, own = zip(*names, strict=True)
        for kind, name, version, live in (yield Statement(_RECORDS["locked"], (list(kinds), list(own), draft.lease))):
            draft.seen.add((kind, name))
            draft.versions[kind, name] = version if live else 0


def write(draft: Draft) -> Steps[None]:
    """All that the draft has changed. Contended where somebody took a key or made a record meanwhile."""
    yield from _write_keys(draft)
    yield from write_records(draft)
    rows = [draft.rows[job_id] for job_id in sorted(draft.changed - draft.new.keys())]
    if rows:
        yield Statement(_APPLY["rewrite"], _columns(rows))
    if draft.new:
        added = yield insert_rows(draft.new.values(), draft.now)
        if len(added) < len(draft.new) or added[0][1] is None:
            raise Contended
        changed = [draft.rows[job_id] for job_id in sorted(draft.changed & draft.new.keys())]
        if changed:
            yield Statement(_APPLY["rewrite"], _columns(changed))
    if draft.left:
        with_ceiling = yield Statement(_APPLY["ceilings"], (list(draft.left),))
        draft.tell_queues(row[0] for row in with_ceiling)


def _write_keys(draft: Draft) -> Steps[None]:
    if draft.freed:
        yield Statement(_KEYS["free"], tuple(map(list, zip(*draft.freed, strict=True))))
    if draft.taken:
        rows = [(queue, key, job_id, ends_at) for (queue, key), (job_id, ends_at) in draft.taken.items()]
        columns = tuple(map(list, zip(*rows, strict=True)))
        held = yield Statement(_KEYS["hold"], (*columns, draft.now))
        if len(held) < len(rows):
            raise Contended


def write_records(draft: Draft) -> Steps[None]:
    """What was put."""
    gone = [name for name, written in draft.written.items() if written.value is None]
    kept = [(*name, *written) for name, written in draft.written.items() if written.value is not None]
    if gone:
        yield Statement(_RECORDS["remove"], tuple(map(list, zip(*gone, strict=True))))
    known = [row for row in kept if (row[0], row[1]) in draft.seen]
    fresh = [row for row in kept if (row[0], row[1]) not in draft.seen]
    if known:
        yield Statement(_RECORDS["change"], tuple(map(list, zip(*known, strict=True))))
    if fresh:
        added = yield Statement(_RECORDS["add"], tuple(map(list, zip(*fresh, strict=True))))
        if len(added) < len(fresh):
            raise Contended


def insert_rows(jobs: Collection[NewJob], now: int | None, latest: int = 0) -> Statement:
    """New rows, at ``now`` where that is given. Answers with the moment beside each id that was not there."""
    rows = [
        (
            new.id,
            new.queue,
            new.task,
            new.payload,
            encoding_text(new.encoding),
            new.priority,
            round(new.delay * 1000),
            new.at,
            new.key,
            until_text(new.until),
            options_text(new.options),
            kept_for(new.options, State.SCHEDULED),
        )
        for new in jobs
    ]
    return Statement(_INSERT["rows"], (latest, now, *map(list, zip(*rows, strict=True))))


def _columns(jobs: Sequence[Job]) -> tuple[object, ...]:
    rows = [
        (
            job.id,
            job.state.value,
            job.due_at,
            job.attempt,
            job.crashes,
            job.alone,
            job.rescued,
            job.cancel_requested,
            job.parked_at,
            job.finished_at,
            kept_for(job.options, job.state),
            job.reason,
            job.result,
            job.result_error,
            history_text(job.history),
            notes_text(job.notes),
        )
        for job in jobs
    ]
    return tuple(map(list, zip(*rows, strict=True)))
