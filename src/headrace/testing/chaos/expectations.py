"""What a history is held against: the checker of histories, and what this workload promises beyond it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.testing.chaos.workload import CRASH_BUDGET, ENDS, OPTIONS, number_of
from headrace.testing.history.checker import check
from headrace.testing.history.records import AnyRecord, Healed, NotEnqueued, Rows
from headrace.testing.history.verdict import Kind, Violation


class Found(msgspec.Struct, frozen=True):
    """What came of checking one history."""

    counts: Mapping[str, int]
    violations: Sequence[Violation]
    objections: Sequence[str]


def judge(records: Sequence[AnyRecord]) -> Found:
    """``records`` in the order of their instants, the rows last."""
    rows = records[-1]
    jobs = rows.jobs if isinstance(rows, Rows) else ()
    verdict = check(records, budget=int(OPTIONS["crash_budget"]))
    healed = next((record.at for record in records if isinstance(record, Healed)), None)
    poison = [job.id for job in jobs if job.task == "poison"]
    objections = [
        text for job in jobs for text in _object(job, len(poison), calm=healed is not None and job.enqueued_at > healed)
    ]
    violations = verdict.violations
    if poison:
        violations = [one for one in violations if not _is_of_crashes(one, poison)]
        strict = check(records, budget=CRASH_BUDGET).violations
        violations += [one for one in strict if _is_of_crashes(one, poison)]
    return Found({**verdict.counts, **_counted(records, jobs)}, violations, objections)


def _is_of_crashes(violation: Violation, jobs: Sequence[str]) -> bool:
    """Whether it is about how often one of these crashed: poison is enqueued where another budget holds."""
    return violation.kind is Kind.CRASHES and any(job in violation.what for job in jobs)


def _counted(records: Sequence[AnyRecord], jobs: Sequence[Job]) -> Mapping[str, int]:
    """What a reader wants to know beside what the checker counts."""
    counts: Counter[str] = Counter({f"jobs {state}": 0 for state in sorted(FINAL)})
    counts.update(f"jobs {job.state}" for job in jobs)
    counts["crashes"] = sum(job.crashes for job in jobs)
    counts["poisoned"] = sum(job.reason == "poison" for job in jobs)
    counts["jobs"] = len(jobs)
    counts["records"] = len(records)
    for record in records:
        if isinstance(record, NotEnqueued):
            counts[f"refused with {record.error}"] += 1
    return counts


def _object(job: Job, poison: int, *, calm: bool) -> Sequence[str]:
    """What is wrong with how this job ended, by its task. ``poison`` is how many such jobs there were: one that waits
    for solitude is in hand where another kills the worker, and that is counted as a crash of both."""
    if job.state not in FINAL:
        return ()  # the checker tells of it
    if job.state not in ENDS.get(job.task, frozenset({State.COMPLETED})):
        return [f"{job.id} ({job.task}) ended {job.state} ({job.reason})"]
    objections = []
    if job.task == "poison" and (job.reason != "poison" or not CRASH_BUDGET <= job.crashes <= CRASH_BUDGET * poison):
        objections.append(f"{job.id} is poison and ended {job.reason} after {job.crashes} crashes, of {CRASH_BUDGET}")
    if job.task == "blocks" and calm and job.generation != 1:
        objections.append(f"{job.id} blocked the loop of its worker and was given out {job.generation} times")
    number = number_of(job)
    if job.state is State.COMPLETED and number is not None and job.result != str(number):
        objections.append(f"{job.id} ({job.task}) with number {number} has the result {job.result}")
    if job.state is State.COMPLETED and job.task == "flaky" and job.attempt != 2:
        objections.append(f"{job.id} fails once and took {job.attempt} attempts: crashes must burn none")
    return objections
