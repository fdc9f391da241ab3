"""All rows of a store, one page after another; rows of another taken in; and the mark under which that is done."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from headrace.model.change import carried
from headrace.model.errors import InvalidOption, NotBeingFilled, StoreMoved
from headrace.model.job import Job
from headrace.model.mark import Mark, Role, decode_mark, refusal
from headrace.model.record import Record
from headrace.model.timeline import Entry
from headrace.storage import moving
from headrace.storage.keeping import kept_for
from headrace.storage.moving import Hold, Kept, Place, Row, Rows
from headrace.storage.postgres import barring
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.rows import (
    encoding_text,
    history_text,
    is_id,
    job_of,
    notes_text,
    options_text,
    until_text,
)
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told
from headrace.storage.postgres.timeline import record

_MOVING = load_queries("moving")
_TYPES = {
    "text": "id task queue payload encoding state worker key until options reason result result_error history notes",
    "bigint": "due_at enqueued_at parked_at started_at finished_at retention",
    "integer": "priority attempt crashes generation",
    "boolean": "alone rescued cancel_requested",
}
_TYPE_OF = {column: kind for kind, columns in _TYPES.items() for column in columns.split()}
_FIELDS = Job.__struct_fields__
_COLUMNS = (*_FIELDS, "retention")


def _load_jobs() -> str:
    """Columns are called as the fields are, and there is one more."""
    parts = {
        "columns": ", ".join(_COLUMNS),
        "given": ", ".join("given.id::uuid" if column == "id" else f"given.{column}" for column in _COLUMNS),
        "arrays": ", ".join(f"CAST(${place} AS {_TYPE_OF[column]}[])" for place, column in enumerate(_COLUMNS, 1)),
        "changes": ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:]),
    }
    text = _MOVING["load_jobs"]
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text


_LOAD_JOBS = _load_jobs()


# --- out -------------------------------------------------------------------------------------------------------------


def dump(told: Told, limit: int, after: str | None) -> Steps[Rows]:
    """One page. Each part in a statement of its own, which the server ends where its rows have become large."""
    rows: list[Row] = []
    size = 0
    for start in moving.starts(after):
        found = yield from _read(told, start, limit + 1 - len(rows), max(1, moving.MOST_BYTES - size))
        size += sum(map(moving.weight, found))
        rows += found
        more = len(rows) > limit
        del rows[limit:]
        if more or size >= moving.MOST_BYTES:
            return Rows(rows, moving.cursor_behind(rows[-1]) if rows else after)
    return Rows(rows, None)


def _read(told: Told, start: Place, most: int, room: int) -> Steps[list[Row]]:
    match start.part:
        case moving.JOBS:
            return (yield from _read_jobs(str(start.key[0]), most, room))
        case moving.HOLDS:
            return [Hold(*row) for row in (yield Statement(_MOVING["holds"], (most, room, *start.key)))]
        case moving.RECORDS:
            where = (told.latest, most, room, *start.key, list(moving.LEFT_BEHIND))
            return [_kept(*row) for row in (yield Statement(_MOVING["records"], where))]
        case _:
            return (yield from _read_entries(start.key, most, room))


def _read_jobs(after: str, most: int, room: int) -> Steps[list[Row]]:
    if not after:
        rows = yield Statement(_MOVING["first_jobs"], (most, room))
    elif is_id(after):
        rows = yield Statement(_MOVING["jobs"], (most, room, after))
    else:
        raise InvalidOption("after", after, "it must be the next of the rows before")
    return [carried(job_of(row)) for row in rows]


def _kept(kind: str, name: str, value: str, version: int, lapses_in: int | None) -> Kept:
    return Kept(Record(kind, name, value, version), None if lapses_in is None else lapses_in / 1000)


def _read_entries(after: moving.Key, most: int, room: int) -> Steps[list[Row]]:
    """Kind by kind: the server may order kinds by the rules of a language."""
    rows: list[Row] = []
    size = 0
    first, *place = after
    for kind in sorted(row[0] for row in (yield Statement(_MOVING["kinds"]))):
        if kind >= first and len(rows) < most and size < room:
            begin = place if kind == first else (-(2**62), "")
            where = (most - len(rows), room - size, kind, *begin)
            found = [Entry(*row) for row in (yield Statement(_MOVING["entries"], where))]
            size += sum(map(moving.weight, found))
            rows += found
    return rows


# --- in --------------------------------------------------------------------------------------------------------------


def load(told: Told, where: str, rows: Sequence[Row], cursor: str | None) -> Steps[int]:
    """All of these."""
    yield Statement(_MOVING["pass"])
    mark = yield from marked()
    if mark is None or mark.role is not Role.TARGET:
        raise NotBeingFilled(where)
    jobs = {row.id: row for row in rows if isinstance(row, Job)}
    if jobs:
        yield Statement(_LOAD_JOBS, _transposed([_values(job) for job in jobs.values()]))
    holds = {(row.queue, row.key): row for row in rows if isinstance(row, Hold)}
    if holds:
        yield Statement(_MOVING["load_holds"], _transposed([(*name, h.job_id, h.ends_at) for name, h in holds.items()]))
    kept = {(row.record.kind, row.record.name): row for row in rows if isinstance(row, Kept)}
    if kept:
        values = [(*name, row.record.value, row.record.version, _ttl(row)) for name, row in kept.items()]
        yield Statement(_MOVING["load_records"], (told.latest, *_transposed(values)))
    yield from record([row for row in rows if isinstance(row, Entry)])
    yield Statement(_MOVING["write_mark"], (replace(mark, cursor=cursor).encode(),))
    return len(rows)


def _transposed(rows: Sequence[Sequence[object]]) -> tuple[list[object], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


def _values(job: Job) -> Sequence[object]:
    own: dict[str, Any] = {
        "state": job.state.value,
        "encoding": encoding_text(job.encoding),
        "until": until_text(job.until),
        "options": options_text(job.options),
        "history": history_text(job.history),
        "notes": notes_text(job.notes),
    }
    values = [own[field] if field in own else getattr(job, field) for field in _FIELDS]
    return [*values, kept_for(job.options, job.state)]


def _ttl(row: Kept) -> int | None:
    return None if row.lapses_in is None else round(row.lapses_in * 1000)


# --- the mark --------------------------------------------------------------------------------------------------------


def mark(where: str, wanted: Mark | None) -> Steps[None]:
    """From now on, or no more."""
    yield Statement(_MOVING["hurry"])
    yield Statement(_MOVING["stop" if wanted is not None else "stop_all"])
    yield Statement(_MOVING["pass"])
    there = yield from marked()
    if wanted is None:
        yield from barring.unbar()
        yield Statement(_MOVING["remove_mark"])
        return
    if there is not None and there.move != wanted.move:
        raise StoreMoved(where, refusal(there))
    yield Statement(_MOVING["write_mark"], (wanted.encode(),))
    yield from barring.bar(refusal(wanted))


def marked() -> Steps[Mark | None]:
    """The mark that stands there."""
    rows = yield Statement(_MOVING["mark"])
    return decode_mark(rows[0][0]) if rows else None
