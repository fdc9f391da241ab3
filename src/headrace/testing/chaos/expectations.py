"""What a history is held against: the checker of histories, and what this workload promises beyond it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.testing.chaos.workload import CRASH_BUDGET, ENDS, number_of
from headrace.testing.history.checker import check
from headrace.testing.history.records import (
    AnyRecord,
    Died,
    Ended,
    Enqueued,
    Granted,
    NotEnqueued,
    Rows,
    Settled,
    Started,
    Stopped,
)
from headrace.testing.history.verdict import Kind, Violation

CALM_POISON: Mapping[str, str] = {"poison": "3", "neighbours": "60"}
"""What is enqueued in the calm after the storm."""


class Found(msgspec.Struct, frozen=True):
    """What came of checking one history."""

    counts: Mapping[str, int]
    violations: Sequence[Violation]
    objections: Sequence[str]


def judge(records: Sequence[AnyRecord], lease: float) -> Found:
    """``records`` in the order of their instants, the rows last; ``lease`` in seconds."""
    verdict = check(records)
    counts = {**verdict.counts, **_counted(records)}
    stale = sum(violation.kind is Kind.STALE_WRITE for violation in verdict.violations)
    counts["stale_writes_attempted"] = counts.get("stale_writes_refused", 0) + stale
    rows = records[-1]
    jobs = rows.jobs if isinstance(rows, Rows) else ()
    objections = [text for job in jobs for text in _object(job)]
    return Found(counts, verdict.violations, objections)


def _counted(records: Sequence[AnyRecord]) -> Mapping[str, int]:
    """What a reader wants to know beside what the checker counts."""
    counts: Counter[str] = Counter(rescues=0, busy=0, promises=0)
    attempts: set[tuple[str, int]] = set()
    for record in records:
        match record:
            case Granted(rescued=True):
                counts["rescues"] += 1
            case NotEnqueued(error=error):
                counts["busy"] += error == "StoreBusy"
                counts["not_enqueued"] += 1
            case Enqueued():
                counts["promises"] += 1
            case Ended():
                counts["ends"] += 1
            case _:
                pass
    return counts


def _object(job: Job) -> Sequence[str]:
    """What is wrong with how this job ended, by its task."""
    expected = ENDS.get(job.task, frozenset({State.COMPLETED}))
    if job.state not in FINAL:
        return ()  # the checker tells of it
    if job.state not in expected:
        return [f"{job.id} ({job.task}) ended {job.state} ({job.reason})"]
    objections = []
    if job.task == "poison" and (job.reason, job.crashes) != ("poison", CRASH_BUDGET):
        objections.append(f"{job.id} is poison and ended after {job.crashes} crashes, {CRASH_BUDGET} are right")
    number = number_of(job)
    if job.state is State.COMPLETED and number is not None and job.result != str(number):
        objections.append(f"{job.id} ({job.task}) with number {number} has the result {job.result}")
    if job.state is State.COMPLETED and job.task == "flaky" and job.attempt != 2:
        objections.append(f"{job.id} fails once and took {job.attempt} attempts: crashes must burn none")
    return objections
