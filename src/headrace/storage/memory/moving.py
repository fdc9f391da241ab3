"""All rows of a store, one page after another; rows of another taken in; and the mark under which that is done."""

from collections.abc import Generator, Sequence
from typing import cast

from headrace.model.change import carried
from headrace.model.errors import NotBeingFilled, StoreMoved
from headrace.model.job import Job
from headrace.model.mark import Mark, Role, decode_mark, refusal
from headrace.model.record import MARK, Record
from headrace.model.timeline import Entry
from headrace.storage import moving
from headrace.storage.memory import keys, records
from headrace.storage.memory.store import Store
from headrace.storage.moving import Place, Row, Rows

_NAME = "store"
_WHERE = "the store in memory"


def dump(store: Store, limit: int, after: str | None) -> Rows:
    """One page."""
    return moving.gather(lambda start: _read(store, start, limit + 1), limit, after)


def _read(store: Store, start: Place, most: int) -> Generator[Row, None, None]:
    match start.part:
        case moving.JOBS:
            (job_id,) = cast("tuple[str]", start.key)
            yield from map(carried, store.rows.oldest_first(job_id))
        case moving.HOLDS:
            for queue, key, hold in store.keys.following(cast("tuple[str, str]", start.key), most):
                yield moving.Hold(queue, key, hold.job_id, hold.ends_at)
        case moving.RECORDS:
            name, now = cast("tuple[str, str]", start.key), store.boot_now()
            for record, lapses_in in store.records.following(name, moving.LEFT_BEHIND, now, most):
                yield moving.Kept(record, lapses_in)
        case _:
            yield from store.timeline.following(*cast("tuple[str, int, str]", start.key))


def load(store: Store, rows: Sequence[Row], cursor: str | None) -> int:
    """All of these."""
    mark = marked(store)
    if mark is None or mark.role is not Role.TARGET:
        raise NotBeingFilled(_WHERE)
    for row in rows:
        match row:
            case Job():
                store.rows.restore(row)
            case moving.Hold():
                store.keys.restore(row.queue, row.key, keys.Hold(row.job_id, row.ends_at))
            case moving.Kept():
                lapses_at = None if row.lapses_in is None else store.boot_now().later(row.lapses_in)
                name = (row.record.kind, row.record.name)
                store.records.settle({name: records.Kept(row.record, lapses_at)})
            case Entry():
                store.timeline.record([row])
    _write(store, Mark(mark.role, mark.other, mark.move, mark.progress, cursor))
    return len(rows)


def mark(store: Store, wanted: Mark | None) -> None:
    """From now on, or no more."""
    there = marked(store)
    if wanted is not None and there is not None and there.move != wanted.move:
        raise StoreMoved(_WHERE, refusal(there))
    _write(store, wanted)


def _write(store: Store, wanted: Mark | None) -> None:
    kept = None if wanted is None else records.Kept(Record(MARK, _NAME, wanted.encode(), 1), None)
    store.records.settle({(MARK, _NAME): kept})


def marked(store: Store) -> Mark | None:
    """The mark that stands there."""
    record = store.records.get(MARK, _NAME)
    return None if record is None else decode_mark(record.value)


def refuse_moved(store: Store) -> None:
    """StoreMoved where a mark stands."""
    if store.records.get(MARK, _NAME) is not None:
        found = marked(store)
        assert found is not None
        raise StoreMoved(_WHERE, refusal(found))
