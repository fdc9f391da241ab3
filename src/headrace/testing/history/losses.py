"""Promised jobs are there, and final; what nobody asked for, or what was refused, is not there and does not run."""

from collections.abc import Iterator

import msgspec

from headrace.model.schedule import SCHEDULE_HEADER
from headrace.model.state import FINAL
from headrace.testing.history.asking import may_be_gone, may_exist, promise
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Started
from headrace.testing.history.verdict import Kind


def find_losses(index: Index) -> Iterator[Finding]:
    """LOST: promised, and nowhere at the end or not final."""
    if index.rows is None:
        return
    end = index.records[index.rows].at
    for job, life in index.lives.items():
        row = life.row
        if row is not None and (row.state in FINAL or row.due_at > end):
            continue
        call = promise(index, job, life)
        if call is None or call.answered is None or (row is None and may_be_gone(index, life)):
            continue
        promised_at = index.records[call.answered].at
        where = "nowhere" if row is None else f"{row.state}, due at {row.due_at}, under generation {row.generation}"
        what = f"{job} was promised at {promised_at} and is {where} at the end, at {end}"
        yield Finding(Kind.LOST, what, (job,), (call.asked, call.answered, index.rows))


def find_ghosts(index: Index) -> Iterator[Finding]:
    """GHOST: there, given out or run, though nobody asked for it or every call was refused; or with another payload."""
    if not index.scope.asks:
        return
    for job, life in index.lives.items():
        if not may_exist(index, job, life):
            seen = _seen(index, life)
            if seen is not None and not _is_of_a_schedule(index, life):
                told = "the call that asked for it left nothing" if life.asked else "nobody asked for it"
                what = f"{job} {_how(index, life)}, and {told}"
                places = [place for call, _ in life.asked for place in (call.asked, call.answered) if place is not None]
                yield Finding(Kind.GHOST, what, (job,), (*places, seen))
        elif life.asked:
            yield from _find_other_payload(index, job, life)


def _seen(index: Index, life: Life) -> int | None:
    """Where the job shows that it exists."""
    first = life.granted or life.started or life.settled
    if first:
        return first[0]
    return None if life.row is None else index.rows


def _how(index: Index, life: Life) -> str:
    seen = _seen(index, life)
    at = 0 if seen is None else index.records[seen].at
    if life.granted:
        return f"was given out at {at}"
    if life.started:
        return f"ran at {at}"
    return f"was settled at {at}" if life.settled else "is in the store at the end"


def _is_of_a_schedule(index: Index, life: Life) -> bool:
    if not index.scope.fires or life.asked:
        return False
    return life.row is None or SCHEDULE_HEADER in life.row.options.headers


def _find_other_payload(index: Index, job: str, life: Life) -> Iterator[Finding]:
    call, _ = life.asked[0]
    wanted = next(index.wanted(life)).payload
    for started in life.started:
        record = index.records[started]
        if isinstance(record, Started) and not _is_same(wanted, record.payload):
            what = f"{job} ran at {record.at} with {record.payload}; {wanted} was asked for"
            yield Finding(Kind.GHOST, what, (job,), (call.asked, started))
    if life.row is not None and index.rows is not None and not _is_same(wanted, life.row.payload):
        what = f"{job} has the payload {life.row.payload} at the end; {wanted} was asked for"
        yield Finding(Kind.GHOST, what, (job,), (call.asked, index.rows))


def _is_same(wanted: str, seen: str) -> bool:
    """Whether two payloads are equal, or one of them was not told."""
    if wanted == seen or "{}" in (wanted, seen):
        return True
    try:
        return bool(msgspec.json.decode(wanted) == msgspec.json.decode(seen))
    except msgspec.DecodeError:
        return False
