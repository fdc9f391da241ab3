"""Histories written by hand, a record a call, one millisecond apart unless told otherwise."""

from collections.abc import Sequence
from typing import Any

from headrace.model.job import Encoding, Job, Options
from headrace.model.state import State
from headrace.testing.history.checker import FAMILIES, check, scope_of
from headrace.testing.history.index import Index
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Ended,
    Enqueued,
    Enqueueing,
    Granted,
    NotEnqueued,
    Ordered,
    Ordering,
    Rows,
    Settled,
    Started,
    Wanted,
)
from headrace.testing.history.scope import Scope
from headrace.testing.history.verdict import Kind, Verdict, Violation

PRODUCER = "producer"


def wanted(job: str, **more: Any) -> Wanted:
    return Wanted(id=job, task="work", queue=more.pop("queue", "q"), **more)


def row(job: str, state: State = State.COMPLETED, **more: Any) -> Job:
    generation = more.pop("generation", 1)
    return Job(
        job,
        "work",
        more.pop("queue", "q"),
        more.pop("payload", "{}"),
        Encoding.JSON,
        state,
        more.pop("priority", 100),
        more.pop("due_at", 0),
        0,
        generation=generation,
        attempt=more.pop("attempt", 1),
        worker=more.pop("worker", "w1"),
        options=more.pop("options", Options()),
        **more,
    )


class Chronicle:
    """What happens is told to it in order."""

    def __init__(self) -> None:
        self.records: list[AnyRecord] = []
        self.now = 1_000
        self.call = 0

    def tell(self, kind: type, *, process: str = "p", at: int | None = None, **fields: Any) -> None:
        self.now = self.now + 1 if at is None else at
        self.records.append(kind(at=self.now, process=process, **fields))

    def ask(self, *jobs: Wanted | str, process: str = PRODUCER) -> int:
        """Before the call: its number."""
        self.call += 1
        full = [wanted(job) if isinstance(job, str) else job for job in jobs]
        self.tell(Enqueueing, process=process, call=self.call, jobs=full)
        return self.call

    def promise(self, call: int, *answers: Answer | str, process: str = PRODUCER) -> None:
        full = [Answer(answer) if isinstance(answer, str) else answer for answer in answers]
        self.tell(Enqueued, process=process, call=call, answers=full)

    def refuse(self, call: int, *, certain: bool, process: str = PRODUCER) -> None:
        self.tell(NotEnqueued, process=process, call=call, error="no", certain=certain)

    def enqueue(self, *jobs: Wanted | str) -> None:
        """Asked and promised."""
        call = self.ask(*jobs)
        self.promise(call, *(job if isinstance(job, str) else job.id for job in jobs))

    def grant(self, job: str, generation: int = 1, *, worker: str = "w1", **more: Any) -> None:
        given = {"queue": "q", "priority": 100, "due_at": 0, "attempt": 1, "crashes": 0, **more}
        self.tell(Granted, process=worker, worker=worker, job=job, generation=generation, **given)

    def start(self, job: str, generation: int = 1, *, worker: str = "w1", attempt: int = 1, **more: Any) -> None:
        self.tell(Started, process=worker, job=job, generation=generation, attempt=attempt, **more)

    def end(self, job: str, generation: int = 1, *, worker: str = "w1", outcome: str = "returned", **more: Any) -> None:
        self.tell(Ended, process=worker, job=job, generation=generation, outcome=outcome, **more)

    def settle(
        self,
        job: str,
        generation: int = 1,
        state: State | None = State.COMPLETED,
        *,
        worker: str = "w1",
        applied: bool = True,
        **more: Any,
    ) -> None:
        told = {"worker": worker, "job": job, "generation": generation, "state": state, "applied": applied}
        self.tell(Settled, process=worker, **told, **more)

    def run(self, job: str, generation: int = 1, *, worker: str = "w1", **more: Any) -> None:
        """From its claim to its completion."""
        self.grant(job, generation, worker=worker, **more)
        self.start(job, generation, worker=worker)
        self.end(job, generation, worker=worker)
        self.settle(job, generation, worker=worker)

    def order(self, command: str, *jobs: str, done: Sequence[str] | None = None, waited: bool = False) -> None:
        """An operator's command and its answer; for all of these jobs unless told otherwise."""
        self.call += 1
        self.tell(Ordering, process="operator", call=self.call, command=command, jobs=jobs)
        answered = list(jobs) if done is None else done
        told = {"call": self.call, "command": command, "done": answered, "waited": waited}
        self.tell(Ordered, process="operator", **told)

    def rest(self, *jobs: Job) -> None:
        self.tell(Rows, jobs=jobs)

    def check(self, **options: Any) -> Verdict:
        return check(self.records, **options)

    def only(self, kind: Kind, *, exact: bool = True, **options: Any) -> Violation:
        """The one violation of this history, which is of this kind. Its records show it, and none is too many."""
        violations = self.check(exact=exact, **options).violations
        assert [violation.kind for violation in violations] == [kind], "\n".join(one.what for one in violations)
        (violation,) = violations
        index = Index(self.records, Scope(exact=exact, **options))
        scope = scope_of(index)
        assert shows(violation.records, violation, scope)
        for place in range(len(violation.records)):
            rest = [*violation.records[:place], *violation.records[place + 1 :]]
            assert not shows(rest, violation, scope), f"it is seen without {violation.records[place]}"
        return violation

    def is_good(self, **options: Any) -> bool:
        """Whether no violation is found, in whatever way one looks."""
        for exact in (True, False):
            violations = self.check(exact=exact, **options).violations
            assert not violations, "\n".join(one.what for one in violations)
        return True


def shows(records: Sequence[AnyRecord], violation: Violation, scope: Scope) -> bool:
    """Whether the violation can be seen in these records."""
    found = (finding for family in FAMILIES for finding in family(Index(records, scope)))
    return any((finding.kind, finding.what) == (violation.kind, violation.what) for finding in found)


def names(records: Sequence[AnyRecord]) -> list[str]:
    """What sorts of records these are, in order."""
    return [type(record).__name__ for record in records]
