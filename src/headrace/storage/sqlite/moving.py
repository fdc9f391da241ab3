"""All rows of a store, one page after another; rows of another taken in; and the mark under which that is done."""

from collections.abc import Generator, Sequence

import msgspec

from headrace.model.change import carried
from headrace.model.errors import NotBeingFilled, StoreMoved
from headrace.model.job import Job
from headrace.model.mark import Mark, Role, decode_mark, refusal
from headrace.model.record import Record
from headrace.model.state import State
from headrace.model.timeline import Entry
from headrace.storage import moving
from headrace.storage.keeping import kept_for
from headrace.storage.moving import Hold, Kept, Place, Row, Rows
from headrace.storage.sqlite.barring import bar, unbar
from headrace.storage.sqlite.chunks import chunked, many_rows
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.timeline import record
from headrace.storage.sqlite.transaction import Parameters, Transaction, json_text

_MOVING = load_queries("moving")
_KEYS, _RECORDS = load_queries("keys"), load_queries("records")
_job = msgspec.json.Decoder(Job, strict=False)
_places = msgspec.json.Decoder(list[tuple[str, State]])

_FIELDS = Job.__struct_fields__
"""Columns are called as the fields are, and there is one more."""
_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_FIELDS)}, retention) VALUES {{rows}} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in (*_FIELDS[1:], "retention"))
)
_ROW = f"({','.join('?' * (len(_FIELDS) + 1))})"


def dump(transaction: Transaction, limit: int, after: str | None) -> Rows:
    """One page."""
    return moving.gather(lambda start: _read(transaction, start, limit + 1), limit, after)


def _read(transaction: Transaction, start: Place, most: int) -> Generator[Row, None, None]:
    match start.part:
        case moving.JOBS:
            for (text,) in transaction.rows(_MOVING["jobs"], (*start.key, most)):
                yield carried(_job.decode(text))
        case moving.HOLDS:
            for row in transaction.rows(_MOVING["holds"], (*start.key, most)):
                yield Hold(*row)
        case moving.RECORDS:
            moment = (transaction.boot_id, transaction.boot, json_text(moving.LEFT_BEHIND))
            for kind, name, value, version, lapses_at in transaction.rows(
                _MOVING["records"], (*start.key, most, *moment)
            ):
                yield Kept(
                    Record(kind, name, value, version),
                    None if lapses_at is None else (lapses_at - transaction.boot) / 1000,
                )
        case _:
            for row in transaction.rows(_MOVING["entries"], (*start.key, most)):
                yield Entry(*row)


def load(transaction: Transaction, where: str, rows: Sequence[Row], cursor: str | None) -> int:
    """All of these."""
    mark = marked(transaction)
    if mark is None or mark.role is not Role.TARGET:
        raise NotBeingFilled(where)
    transaction.run(_MOVING["begin_load"])
    _load_jobs(transaction, {row.id: row for row in rows if isinstance(row, Job)})
    holds = [(row.queue, row.key, row.job_id, row.ends_at) for row in rows if isinstance(row, Hold)]
    if holds:
        transaction.run(_KEYS["hold"], (json_text(holds),))
    for row in rows:
        if isinstance(row, Kept):
            _load_record(transaction, row)
    record(transaction, [row for row in rows if isinstance(row, Entry)])
    transaction.run(_MOVING["end_load"])
    transaction.run(_MOVING["write_mark"], (msgspec.structs.replace(mark, cursor=cursor).encode(),))
    return len(rows)


def _load_jobs(transaction: Transaction, jobs: dict[str, Job]) -> None:
    for queue, state in _places.decode(transaction.text(_MOVING["there"], (json_text(list(jobs)),))):
        transaction.move(queue, state, None)
    for chunk in chunked(list(jobs.values())):
        transaction.run(many_rows(_UPSERT, _row, len(chunk)), _parameters(chunk))
    for job in jobs.values():
        transaction.move(job.queue, None, job.state)


def _row(_: int) -> str:
    return _ROW


def _parameters(jobs: Sequence[Job]) -> Parameters:
    parameters: list[str | int | float | None] = []
    for job in jobs:
        texts: dict[str, str | None] = {"options": json_text(job.options), "history": json_text(job.history)}
        texts["notes"] = None if job.notes is None else json_text(job.notes)
        parameters += (texts[field] if field in texts else getattr(job, field) for field in _FIELDS)
        parameters.append(kept_for(job.options, job.state))
    return parameters


def _load_record(transaction: Transaction, row: Kept) -> None:
    kept = row.record
    boot_id, lapses_at = None, None
    if row.lapses_in is not None:
        boot_id, lapses_at = transaction.boot_id, transaction.boot + round(row.lapses_in * 1000)
    transaction.run(_RECORDS["write_record"], (kept.kind, kept.name, kept.value, kept.version, boot_id, lapses_at))


def mark(transaction: Transaction, where: str, wanted: Mark | None) -> None:
    """From now on, or no more."""
    there = marked(transaction)
    if wanted is not None and there is not None and there.move != wanted.move:
        raise StoreMoved(where, refusal(there))
    unbar(transaction)
    if wanted is None:
        transaction.run(_MOVING["remove_mark"])
    else:
        transaction.run(_MOVING["write_mark"], (wanted.encode(),))
        bar(transaction, refusal(wanted))


def marked(transaction: Transaction) -> Mark | None:
    """The mark that stands there."""
    text = transaction.value(_MOVING["mark"])
    return None if text is None else decode_mark(str(text))
