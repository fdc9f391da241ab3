"""What a killed process did in its last window may be undone; nothing older may."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from headrace.model.job import Encoding, Job
from headrace.model.state import State
from headrace.testing.history.checker import check
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Died,
    Ended,
    Enqueued,
    Enqueueing,
    Granted,
    Ordered,
    Rows,
    Settled,
    Started,
    Wanted,
)
from headrace.testing.history.undone import Undone, without_undone
from headrace.testing.history.verdict import Kind

WINDOW = 200
KILLED = 1_000
"""When ``sole-1`` was killed."""


def asked(at: int, *jobs: str, process: str = "sole-1.producer", call: int = 1) -> Sequence[AnyRecord]:
    """They were asked for and promised at this instant."""
    wanted = [Wanted(id=job, task="work", queue="default") for job in jobs]
    return [
        Enqueueing(at=at - 1, process=process, call=call, jobs=wanted),
        Enqueued(at=at, process=process, call=call, answers=[Answer(job) for job in jobs]),
    ]


def ran(at: int, job: str, generation: int, process: str, *, rescued: bool = False) -> Sequence[AnyRecord]:
    """Given out, run, and completed, in that instant."""
    worker = f"{process}.worker"
    given: dict[str, Any] = {"at": at, "process": worker, "job": job, "generation": generation, "attempt": 1}
    return [
        Granted(worker=worker, queue="default", priority=100, due_at=0, crashes=0, rescued=rescued, **given),
        Started(**given),
        Ended(at=at, process=worker, job=job, generation=generation, outcome="returned"),
        Settled(
            at=at, process=worker, worker=worker, job=job, generation=generation, state=State.COMPLETED, applied=True
        ),
    ]


def row(job: str, generation: int, process: str) -> Job:
    made = Job(job, "work", "default", "{}", Encoding.JSON, State.COMPLETED, 100, 0, 0, attempt=1)
    return replace(made, generation=generation, worker=f"{process}.worker")


def history(*parts: Sequence[AnyRecord], rows: Sequence[Job] = ()) -> list[AnyRecord]:
    records = [record for part in parts for record in part]
    records.append(Died(at=KILLED, process="sole-1"))
    records.sort(key=lambda record: record.at)
    return [*records, Rows(at=9_000, process="driver", jobs=rows)]


def kinds(undone: Undone) -> set[Kind]:
    return {violation.kind for violation in check(undone.records).violations}


def test_what_was_promised_in_the_window_may_be_gone() -> None:
    undone = without_undone(history(asked(900, "a", "b"), rows=[row("b", 1, "sole-2")]), WINDOW)
    assert (undone.lost, kinds(undone)) == (1, set())
    assert check(undone.records).counts["acknowledged"] == 1


def test_what_was_promised_before_may_not() -> None:
    undone = without_undone(history(asked(KILLED - WINDOW - 1, "a")), WINDOW)
    assert (undone.lost, kinds(undone)) == (0, {Kind.LOST})


def test_without_a_kill_nothing_may_be_gone() -> None:
    records = [record for record in history(asked(900, "a")) if not isinstance(record, Died)]
    assert kinds(without_undone(records, WINDOW)) == {Kind.LOST}


def test_a_run_in_the_window_may_be_undone() -> None:
    parts = [asked(100, "a"), ran(950, "a", 1, "sole-1"), ran(2_000, "a", 1, "sole-2")]
    records = history(*parts, rows=[row("a", 1, "sole-2")])
    assert Kind.DOUBLE_COMPLETION in kinds(Undone(records, 0, 0)), "without the window that would be wrong"
    undone = without_undone(records, WINDOW)
    assert (undone.struck, kinds(undone)) == (4, set())


def test_a_run_before_it_may_not() -> None:
    parts = [asked(100, "a"), ran(700, "a", 1, "sole-1"), ran(2_000, "a", 1, "sole-2")]
    undone = without_undone(history(*parts, rows=[row("a", 1, "sole-2")]), WINDOW)
    assert kinds(undone) >= {Kind.DOUBLE_COMPLETION, Kind.OVERLAP}


def test_an_end_in_the_window_may_be_undone_without_the_claim() -> None:
    parts = [asked(100, "a"), ran(950, "a", 1, "sole-1"), ran(2_000, "a", 2, "sole-2", rescued=True)]
    undone = without_undone(history(*parts, rows=[row("a", 2, "sole-2")]), WINDOW)
    assert (undone.struck, kinds(undone)) == (1, set())


def test_an_end_that_was_kept_stays() -> None:
    parts = [asked(100, "a"), ran(950, "a", 1, "sole-1"), ran(2_000, "a", 2, "sole-2")]
    undone = without_undone(history(*parts, rows=[row("a", 2, "sole-2")]), WINDOW)
    assert undone.struck == 0
    assert Kind.DOUBLE_COMPLETION in kinds(undone)


def test_commands_in_the_window_are_not_counted_on() -> None:
    order = Ordered(at=950, process="sole-1.operator", call=1, command="cancel", done=["a"])
    undone = without_undone(history([order]), WINDOW)
    assert order not in undone.records


def test_what_is_lost_is_the_end() -> None:
    parts = [asked(900, "a"), asked(910, "b", call=2), asked(920, "c", call=3)]
    rows = [row("a", 1, "sole-2"), row("c", 1, "sole-2")]
    (hole,) = without_undone(history(*parts, rows=rows), WINDOW).holes
    assert hole == "b was promised at 910 and is gone, and c, asked for at 919, is there"
    assert not without_undone(history(*parts, rows=rows[:1]), WINDOW).holes
