"""The verdict of a run: what fails it, and what its line says."""

from typing import Any

from msgspec.structs import replace

from headrace.model.job import Encoding, Job
from headrace.model.state import State
from headrace.testing.chaos.expectations import judge
from headrace.testing.chaos.outcome import Outcome, Request, total
from headrace.testing.chaos.workload import CRASH_BUDGET
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Enqueued,
    Enqueueing,
    Granted,
    Healed,
    NotEnqueued,
    Rows,
    Settled,
    Started,
    Wanted,
)
from headrace.testing.history.verdict import Kind

REQUEST = Request("sqlite", 500, 7)
GOOD = Outcome(
    request=REQUEST,
    commit="abc",
    hardware={"cores": "2"},
    python="3.11",
    seconds={"storm": 10.0},
    faults={"kill": 300, "kills": 500, "kills of worker": 400, "stop": 12, "terms": 30},
    counts={"acknowledged": 9, "duplicate_starts": 4, "stale_writes_refused": 2},
    integrity="ok",
)


def row(job: str, task: str = "work", state: State = State.COMPLETED, **more: Any) -> Job:
    made = Job(job, task, "default", '{"number":1}', Encoding.JSON, state, 1000, 0, 0, attempt=1, generation=1)
    return replace(made, worker="w", result="1", **more) if state is State.COMPLETED else replace(made, **more)


def history(*jobs: Job, more: tuple[AnyRecord, ...] = ()) -> list[AnyRecord]:
    """Each of these was asked for, promised, and ran once; the last of them is in the store if it is there."""
    wanted = [Wanted(id=job.id, task=job.task, queue=job.queue, payload=job.payload) for job in jobs]
    answers = [Answer(job.id) for job in jobs]
    records: list[AnyRecord] = [
        Enqueueing(at=1, process="p", call=1, jobs=wanted),
        Enqueued(at=2, process="p", call=1, answers=answers),
    ]
    for job in jobs:
        given: dict[str, Any] = {"job": job.id, "generation": 1, "attempt": 1}
        records.append(
            Granted(at=3, process="w", worker="w", queue="default", priority=1000, due_at=0, crashes=0, **given)
        )
        records.append(Started(at=3, process="w", payload=job.payload, **given))
    records += [
        Settled(at=4, process="w", worker="w", job=job.id, generation=1, state=job.state, applied=True, result="1")
        for job in jobs
        if job.state is State.COMPLETED
    ]
    return [*records, *more, Rows(at=50_000, process="driver", jobs=jobs)]


def test_a_sound_history_is_good() -> None:
    found = judge(history(row("a"), row("b")))
    assert not found.objections
    assert found.counts["acknowledged"] == found.counts["jobs completed"] == 2


def test_a_promised_job_that_is_not_there_is_lost() -> None:
    records = history(row("a"), row("b"))
    records[-1] = Rows(at=50_000, process="driver", jobs=[row("a")])
    found = judge(records)
    assert {violation.kind for violation in found.violations} >= {Kind.LOST}
    assert found.counts["lost"] == 1
    assert all("b" in violation.what for violation in found.violations)


def test_ends_that_a_task_may_not_have_are_objected_to() -> None:
    def objections(job: Job, *more: AnyRecord) -> str:
        return " ".join(judge(history(job, more=more)).objections)

    assert "a (work) ended dead (exhausted)" in objections(row("a", state=State.DEAD, reason="exhausted"))
    assert "ended cancelled" in objections(row("a", state=State.CANCELLED))
    assert not objections(row("a", "cancellable", State.CANCELLED))
    assert not objections(row("a", "poison", State.DEAD, reason="poison", crashes=CRASH_BUDGET))
    assert "after 2 crashes" in objections(row("a", "poison", State.DEAD, reason="poison", crashes=2))
    assert "took 1 attempts" in objections(row("a", "flaky"))
    assert "has the result 2" in objections(replace(row("a"), result="2"))
    assert not objections(row("a", "blocks", generation=3, enqueued_at=5))
    healed = Healed(at=4, process="driver")
    assert "was given out 3 times" in objections(row("a", "blocks", generation=3, enqueued_at=5), healed)


def test_refusals_are_counted_by_their_error() -> None:
    busy = NotEnqueued(at=3, process="p", call=2, error="StoreBusy", certain=True)
    assert judge(history(row("a"), more=(busy, busy))).counts["refused with StoreBusy"] == 2


def test_the_line_says_it_all() -> None:
    assert GOOD.line == (
        "sqlite seed=7 commit=abc kills=500 stops=12 terms=30 acknowledged=9 lost=0 duplicate_starts=4 "
        "double_completions=0 busy=0 stale_writes_rejected=2/2 integrity=ok bound=3/500=0.6% PASS"
    )
    assert replace(GOOD, integrity="row 3 missing").line.endswith("integrity=row_3_missing bound=3/500=0.6% FAIL")
    assert replace(GOOD, objections=["worker-00001 ended with 1"]).line.endswith("FAIL")
    lossy = replace(GOOD, counts={**GOOD.counts, "lost": 1, "stale_writes_accepted": 1}, objections=["x"])
    assert "lost=1" in lossy.line
    assert "stale_writes_rejected=2/3" in lossy.line
    assert "bound=none" in lossy.line
    faults = {**GOOD.faults, "restarts": 20, "terminations": 9}
    served = replace(GOOD, faults=faults, counts={**GOOD.counts, "refused with EnqueueUnknown": 5})
    assert "terms=30 restarts=20 terminations=9 acknowledged=9" in served.line
    assert "busy=0 unknown=5 stale_writes" in served.line


def test_slices_share_the_kills_and_add_up() -> None:
    request = replace(REQUEST, slices=3)
    assert [(part.kills, part.seed, part.slices) for part in request.parts] == [(167, 7, 1), (167, 8, 1), (166, 9, 1)]
    whole = total(request, [GOOD, replace(GOOD, integrity="broken")])
    assert whole.faults["kills"] == 1000
    assert whole.counts["acknowledged"] == 18
    assert whole.seconds == {"storm": 20.0}
    assert whole.integrity == "broken"
    assert " seed=7..9 " in whole.line
    assert request.command.endswith("--storage sqlite --kills 500 --seed 7 --slices 3")
    odd = replace(REQUEST, scenario="full", wishes={"size": "4m"}, seconds=30.0)
    assert odd.command.endswith("--seed 7 --scenario full --set size=4m --seconds 30")
