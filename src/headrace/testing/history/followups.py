"""Jobs that a change brings along exist if and only if it was let through."""

from collections.abc import Iterator

from headrace.model.state import FINAL, State
from headrace.testing.history.asking import Told, asked_at, may_be_gone, told
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life, jobs_asked
from headrace.testing.history.verdict import Kind


def find_wrong_followups(index: Index) -> Iterator[Finding]:
    """FOLLOW_UP: missing though it was brought along, there though nothing brought it."""
    for job, life in index.lives.items():
        if not life.brought:
            continue
        applied = [place for place, change in life.brought if change.applied]
        if applied:
            if index.rows is not None and _is_nowhere(life) and not _may_be_left_out(index, life):
                what = f"{job} is nowhere, though {_brought(index, applied[0])} at {index.at(applied[0])}"
                yield Finding(Kind.FOLLOW_UP, what, (job,), (applied[0], index.rows))
        elif index.scope.exact and not _is_asked_otherwise(index, job, life):
            seen = _seen(index, life)
            if seen is not None:
                what = f"{job} exists, though what was to bring it along was refused at {life.brought[0][1].at}"
                yield Finding(Kind.FOLLOW_UP, what, (job,), (life.brought[0][0], seen))
    yield from _find_orphans(index)


def _find_orphans(index: Index) -> Iterator[Finding]:
    """There, though the job that was to bring it along ended otherwise."""
    for job, life, wanted in jobs_asked(index.lives):
        if wanted.parent is None or index.rows is None or _is_asked_otherwise(index, job, life):
            continue
        parent, seen = index.lives.get(wanted.parent), _seen(index, life)
        row = None if parent is None else parent.row
        if row is not None and seen is not None and row.state in FINAL and row.state is not State.COMPLETED:
            if any(change.applied for _, change in life.brought):
                continue
            what = f"{job} exists, though {wanted.parent}, which was to bring it along, is {row.state}"
            yield Finding(Kind.FOLLOW_UP, what, (job, wanted.parent), (*asked_at(life), seen, index.rows))


def _brought(index: Index, place: int) -> str:
    record = index.records[place]
    return f"the completion of {getattr(record, 'job', '?')} was let through"


def _is_nowhere(life: Life) -> bool:
    return life.row is None and not life.granted and not life.started


def _may_be_left_out(index: Index, life: Life) -> bool:
    """Removed since, or a duplicate of what holds its key; where nobody says what it was, its key isn't known."""
    wanted = life.wanted
    return may_be_gone(index, life) or (wanted is not None and wanted.key is not None)


def _is_asked_otherwise(index: Index, job: str, life: Life) -> bool:
    """Whether a producer asked for it too."""
    for call, place in life.asked:
        hopeless = told(index, job, call, place) in (Told.DUPLICATE, Told.REFUSED)
        if call.asking.jobs[place].parent is None and not hopeless:
            return True
    return False


def _seen(index: Index, life: Life) -> int | None:
    for first in (life.granted, life.started):
        if first:
            return first[0][0]
    return None if life.row is None else index.rows
