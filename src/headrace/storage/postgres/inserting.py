"""New jobs become rows."""

from collections.abc import Sequence
from typing import TypeVar

from headrace.model.errors import PutLost
from headrace.model.job import DEFAULT_OPTIONS, Encoding, NewJob, Until
from headrace.model.record import Put
from headrace.storage.contract import Receipt
from headrace.storage.postgres import drafting
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told

T = TypeVar("T")

_INSERT = load_queries("insert")
_FRESH = _INSERT["plain"].replace("ON CONFLICT (id) DO NOTHING", "")
"""A fifth less work for the server."""
_JSON, _FINISHED = Encoding.JSON, Until.FINISHED


def fits_one_statement(jobs: Sequence[NewJob], puts: Sequence[Put]) -> bool:
    """Whether they need no transaction: nothing but rows is written."""
    return not puts and not any(new.key is not None or new.puts for new in jobs)


def insert_plain(told: Told, jobs: Sequence[NewJob], *, fresh: bool = False) -> Steps[list[Receipt[object]]]:
    """Jobs that fit one statement. ``fresh``: none is thought to be there yet; if one is, the server refuses all."""
    if not jobs:
        return []
    told.queues({new.queue for new in jobs})
    if all(_is_plain(new) for new in jobs):
        columns = (
            *([new.id for new in jobs], [new.payload for new in jobs]),
            *_column([new.queue for new in jobs]),
            *_column([new.task for new in jobs]),
            *_column([new.priority for new in jobs]),
        )
        rows = yield Statement(_FRESH if fresh else _INSERT["plain"], (told.latest, *columns))
    else:
        rows = yield drafting.insert_rows(jobs, None, told.latest)
    told.now = rows[0][0]
    return [Receipt(new.id) for new in jobs]


def insert(told: Told, jobs: Sequence[NewJob], puts: Sequence[Put]) -> Steps[list[Receipt[object]]]:
    """All of them, or PutLost."""
    draft = yield from drafting.begin(told)
    yield from drafting.load(draft, jobs, puts, ())
    lost = draft.put_all(puts)
    if lost is not None:
        raise PutLost(lost.kind, lost.name)
    receipts = draft.insert(jobs)
    yield from drafting.write(draft)
    return receipts


def _column(values: list[T]) -> tuple[Sequence[T], T | None]:
    """What all rows have in common goes over the wire once."""
    first = values[0]
    return ([], first) if values.count(first) == len(values) else (values, None)


def _is_plain(new: NewJob) -> bool:
    return (
        new.at is None
        and new.delay == 0
        and (new.options is DEFAULT_OPTIONS or new.options == DEFAULT_OPTIONS)
        and new.until is _FINISHED
        and new.encoding is _JSON
    )


def now(told: Told) -> Steps[int]:
    """The server's clock, made steady."""
    rows = yield Statement(_INSERT["moment"], (told.latest,))
    told.now = rows[0][0]
    return told.now
