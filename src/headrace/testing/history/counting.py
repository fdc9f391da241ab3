"""The numbers of a history."""

from collections.abc import Mapping, Sequence

from headrace.model.state import State
from headrace.testing.history.asking import promise
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted, Settled, Started
from headrace.testing.history.verdict import Kind, Violation


def count(index: Index, violations: Sequence[Violation]) -> Mapping[str, int]:
    """As ``Verdict.counts`` says."""
    found = dict.fromkeys(Kind, 0)
    for violation in violations:
        found[violation.kind] += 1
    of_jobs = dict.fromkeys(_OF_JOBS, 0)
    for job, life in index.lives.items():
        _count_job(index, job, life, of_jobs)
    return {
        **of_jobs,
        "lost": found[Kind.LOST],
        "double_completions": found[Kind.DOUBLE_COMPLETION],
        "stale_writes_accepted": found[Kind.STALE_WRITE],
    }


_OF_JOBS = (
    "acknowledged",
    "starts",
    "duplicate_starts",
    "claims",
    "rescues",
    "completions",
    "stale_writes_refused",
)


def _count_job(index: Index, job: str, life: Life, counts: dict[str, int]) -> None:
    records = index.records
    counts["acknowledged"] += bool(life.asked) and promise(index, job, life) is not None
    granted = [record for record in map(records.__getitem__, life.granted) if isinstance(record, Granted)]
    rescues = sum(grant.rescued for grant in granted)
    counts["rescues"] += rescues
    counts["claims"] += len(granted) - rescues
    started = [record.attempt for record in map(records.__getitem__, life.started) if isinstance(record, Started)]
    counts["starts"] += len(started)
    counts["duplicate_starts"] += len(started) - len(set(started))
    completed = life.row is not None and life.row.state is State.COMPLETED
    for settled in map(records.__getitem__, life.settled):
        if isinstance(settled, Settled):
            counts["stale_writes_refused"] += not settled.applied
            completed = completed or (settled.applied and settled.state is State.COMPLETED)
    counts["completions"] += completed
