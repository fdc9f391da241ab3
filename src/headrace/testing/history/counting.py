"""The numbers of a history."""

from collections.abc import Mapping, Sequence

from headrace.model.state import FINAL, State
from headrace.testing.history.asking import Told, told
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Bought, Died, Stopped
from headrace.testing.history.verdict import Kind, Violation

_OF_JOBS = (
    "asked",
    "acknowledged",
    "unknown",
    "refused",
    "duplicates",
    "claims",
    "rescues",
    "starts",
    "duplicate_starts",
    "fenced_ends",
    "completions",
    "dead",
    "cancelled",
    "crashes",
    "stale_writes_refused",
    "answers_lost",
)


def count(index: Index, violations: Sequence[Violation]) -> Mapping[str, int]:
    """As ``Verdict.counts`` says. ``unknown`` jobs may or may not have been enqueued, ``fenced_ends`` are handlers that
    came to their end under a generation that was not the last."""
    counts = dict.fromkeys(_OF_JOBS, 0)
    for job, life in index.lives.items():
        if life.asked:
            _count_asking(index, job, life, counts)
        _count_runs(life, counts)
    found = [violation.kind for violation in violations]
    return {
        **counts,
        "lost": found.count(Kind.LOST),
        "double_completions": found.count(Kind.DOUBLE_COMPLETION),
        "stale_writes_accepted": found.count(Kind.STALE_WRITE),
        "overlaps": found.count(Kind.OVERLAP),
        "removed": sum(record.number for _, record in index.removed),
        "permits": sum(
            record.number for told in index.permits.values() for _, record in told if isinstance(record, Bought)
        ),
        "kills": len(index.marks[Died]),
        "stops": len(index.marks[Stopped]),
    }


def _count_asking(index: Index, job: str, life: Life, counts: dict[str, int]) -> None:
    """A job counts once, however often it was asked for."""
    counts["asked"] += 1
    if life.promised is not None:
        counts["acknowledged"] += 1
        return
    answers = {told(index, job, call, place) for call, place in life.asked}
    for answer, name in ((Told.UNKNOWN, "unknown"), (Told.DUPLICATE, "duplicates"), (Told.REFUSED, "refused")):
        if answer in answers:
            counts[name] += 1
            return


def _count_runs(life: Life, counts: dict[str, int]) -> None:
    rescues = sum(grant.rescued for _, grant in life.granted)
    counts["rescues"] += rescues
    counts["claims"] += len(life.granted) - rescues
    counts["starts"] += len(life.started)
    if len(life.started) > 1:
        counts["duplicate_starts"] += len(life.started) - len({started.attempt for _, started in life.started})
    row = life.row
    if row is not None and row.state in FINAL:
        counts["dead"] += row.state is State.DEAD
        counts["cancelled"] += row.state is State.CANCELLED
        counts["crashes"] += row.crashes
        counts["fenced_ends"] += sum(ended.generation < row.generation for _, ended in life.ended)
    completed = row is not None and row.state is State.COMPLETED
    for _, settled in life.settled:
        counts["stale_writes_refused"] += not settled.applied
        counts["answers_lost"] += not settled.heard
        completed = completed or (settled.applied and settled.state is State.COMPLETED)
    counts["completions"] += completed
