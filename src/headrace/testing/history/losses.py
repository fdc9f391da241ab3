"""Promised jobs are there, and final; what nobody asked for, or what was refused, is not there and does not run."""

from collections.abc import Iterator

import msgspec

from headrace.model.schedule import SCHEDULE_HEADER
from headrace.model.state import FINAL
from headrace.testing.history.asking import asked_at, may_be_gone, may_exist
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life, jobs_asked
from headrace.testing.history.records import Wanted
from headrace.testing.history.verdict import Kind


def find_losses(index: Index) -> Iterator[Finding]:
    """LOST: promised, and nowhere at the end or not final; or given out, and nowhere at the end."""
    if index.rows is None:
        return
    end = index.at(index.rows)
    for job, life in index.lives.items():
        row = life.row
        if row is not None and (row.state in FINAL or row.due_at > end):
            continue
        promised = life.promised
        if row is None and may_be_gone(index, life):
            continue
        if promised is None:
            seen = _seen(index, life)
            if row is None and seen is not None and may_exist(index, job, life):
                place, how = seen
                yield Finding(
                    Kind.LOST, f"{job} {how} and is nowhere at the end, at {end}", (job,), (place, index.rows)
                )
            continue
        where = "nowhere" if row is None else f"{row.state}, due at {row.due_at}, under generation {row.generation}"
        what = f"{job} was promised at {index.at(promised)} and is {where} at the end, at {end}"
        yield Finding(Kind.LOST, what, (job,), (*asked_at(life), index.rows))


def find_stuck(index: Index) -> Iterator[Finding]:
    """STUCK: nobody was promised it, but it is there and not final; or it became so too long after it could."""
    if index.rows is None or index.healed is None:
        return
    healed, end, patience = index.at(index.healed), index.at(index.rows), index.scope.patience
    for job, life in index.lives.items():
        row = life.row
        if row is None:
            continue
        if row.state not in FINAL:
            if row.due_at <= end and life.promised is None:
                what = f"{job} is {row.state} at the end, at {end}, due at {row.due_at}; all was healed at {healed}"
                yield Finding(Kind.STUCK, what, (job,), (*asked_at(life), index.healed, index.rows))
        elif patience is not None and row.finished_at is not None and index.scope.steady:
            could = max(healed, row.due_at, row.enqueued_at)
            if row.finished_at > could + patience:
                what = f"{job} became {row.state} at {row.finished_at}, {row.finished_at - could} ms after it could"
                yield Finding(Kind.STUCK, what, (job,), (index.healed, index.rows))


def find_ghosts(index: Index) -> Iterator[Finding]:
    """GHOST: there, given out or run, though nobody asked for it or every call was refused."""
    if not index.scope.asks:
        return
    for job, life in index.lives.items():
        if may_exist(index, job, life):
            continue
        seen = _seen(index, life)
        if seen is not None and not _is_of_a_schedule(index, life):
            place, how = seen
            told = "the calls that asked for it left nothing" if life.asked else "nobody asked for it"
            yield Finding(Kind.GHOST, f"{job} {how}, and {told}", (job,), (*asked_at(life), place))


def _seen(index: Index, life: Life) -> tuple[int, str] | None:
    """Where the job shows that it exists, and how."""
    for first, how in ((life.granted, "was given out"), (life.started, "ran"), (life.settled, "was settled")):
        if first:
            place = first[0][0]
            return place, f"{how} at {index.at(place)}"
    return None if life.row is None or index.rows is None else (index.rows, "is in the store at the end")


def _is_of_a_schedule(index: Index, life: Life) -> bool:
    if not index.scope.fires or life.asked:
        return False
    return life.row is None or SCHEDULE_HEADER in life.row.options.headers


def find_other_payloads(index: Index) -> Iterator[Finding]:
    """GHOST: it ran with another payload, or has another at the end, than was asked for."""
    for job, life, wanted in jobs_asked(index.lives):
        asked = life.asked[0][0].asked
        for place, started in life.started:
            if started.payload != wanted.payload and not _is_same(wanted, started.payload):
                what = f"{job} ran at {started.at} with {started.payload}; {wanted.payload} was asked for"
                yield Finding(Kind.GHOST, what, (job,), (asked, place))
        row = life.row
        if row is not None and index.rows is not None and not _is_same(wanted, row.payload):
            what = f"{job} has the payload {row.payload} at the end; {wanted.payload} was asked for"
            yield Finding(Kind.GHOST, what, (job,), (asked, index.rows))


def _is_same(wanted: Wanted, seen: str) -> bool:
    """Whether two payloads are equal, or one of them was not told."""
    if wanted.payload == seen or "{}" in (wanted.payload, seen):
        return True
    try:
        return bool(msgspec.json.decode(wanted.payload) == msgspec.json.decode(seen))
    except msgspec.DecodeError:
        return False
