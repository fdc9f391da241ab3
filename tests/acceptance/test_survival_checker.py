"""The checker of the kill storm sees what it is there to see: each history below has one fault planted in it."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from survival.checker import Verdict, judge
from survival.ledger import Ledger, Record, read

from headrace.model.job import Encoding, Job
from headrace.model.state import State

A, B = "0196-a", "0196-b"


class History:
    """Two jobs: one ran once; the other crashed with its worker, and then ran under fence 3."""

    def __init__(self) -> None:
        self.requests: list[Record] = [
            {"kind": "invoke", "jobs": {A: 1, B: 2}},
            {"kind": "ok", "jobs": [A]},
            {"kind": "ok", "jobs": [B]},
        ]
        self.effects: list[Record] = [
            effect("start", A, 1),
            effect("start", B, 1),
            effect("end", A, 1),
            {"kind": "completed", "job": A, "worker": "w1", "pid": 1},
            effect("start", B, 3),
            effect("end", B, 3),
            {"kind": "completed", "job": B, "worker": "w2", "pid": 2},
        ]
        self.jobs = {A: completed(A, 1, "w1", 1), B: completed(B, 3, "w2", 2)}

    def judge(self) -> Verdict:
        return judge(self.requests, self.effects, list(self.jobs.values()), flaky=17, most_attempts=3)


def effect(kind: str, job: str, fence: int, **more: Any) -> Record:
    number = 1 if job == A else 2
    return {"kind": kind, "job": job, "fence": fence, "attempt": 1, "pid": fence, "number": number, **more}


def completed(job_id: str, generation: int, worker: str, number: int) -> Job:
    return Job(
        job_id,
        "work",
        "default",
        f'{{"number":{number}}}',
        Encoding.JSON,
        State.COMPLETED,
        1000,
        0,
        0,
        attempt=1,
        generation=generation,
        worker=worker,
        result=str(number),
    )


def test_a_sound_history_passes() -> None:
    verdict = History().judge()
    assert verdict.violations == []
    assert (verdict.invoked, verdict.acknowledged, verdict.lost) == (2, 2, 0)
    assert (verdict.starts, verdict.duplicate_starts, verdict.double_completions) == (3, 1, 0)


def test_an_unanswered_request_may_have_been_carried_out_or_not() -> None:
    history = History()
    del history.requests[2]
    assert history.judge().violations == []
    del history.jobs[B], history.effects[4:], history.effects[1]
    assert history.judge().violations == []


def test_a_run_of_a_worker_that_was_taken_for_dead_may_end_in_vain() -> None:
    history = History()
    history.effects.append(effect("end", B, 1))
    verdict = history.judge()
    assert verdict.violations == []
    assert (verdict.fenced_ends, verdict.overlaps) == (1, 1)


def lose_row(history: History) -> None:
    del history.jobs[A], history.effects[3], history.effects[2], history.effects[0]


def leave_waiting(history: History) -> None:
    history.jobs[A] = replace(history.jobs[A], state=State.RETRYING)


def kill_healthy(history: History) -> None:
    history.jobs[A] = replace(history.jobs[A], state=State.DEAD, reason="poison")


def burn_attempt(history: History) -> None:
    history.jobs[B] = replace(history.jobs[B], attempt=2)


def too_many_attempts(history: History) -> None:
    history.jobs[B] = replace(history.jobs[B], attempt=4)


def swap_result(history: History) -> None:
    history.jobs[A] = replace(history.jobs[A], result="2")


def same_fence_twice(history: History) -> None:
    history.effects[4] = effect("start", B, 1)


def falling_fence(history: History) -> None:
    history.effects[1], history.effects[4] = history.effects[4], history.effects[1]


def fence_beyond_row(history: History) -> None:
    history.effects.append(effect("start", B, 4))


def accept_stale_write(history: History) -> None:
    history.effects.insert(4, effect("end", B, 1))
    history.jobs[B] = replace(history.jobs[B], generation=1, worker="w1")


def tell_completed_twice(history: History) -> None:
    history.effects.append({"kind": "completed", "job": B, "worker": "w2", "pid": 2})


def tell_completed_by_another(history: History) -> None:
    history.effects[-1]["worker"] = "w1"


def complete_unrun(history: History) -> None:
    del history.effects[5]


def never_run(history: History) -> None:
    del history.effects[2:4], history.effects[0]


def ghost_in_store(history: History) -> None:
    history.jobs["ghost"] = completed("ghost", 1, "w1", 1)


def ghost_effect(history: History) -> None:
    history.effects.append(effect("start", "ghost", 1))


def other_arguments(history: History) -> None:
    history.effects[0]["number"] = 2


PLANTED: dict[Callable[[History], None], str] = {
    lose_row: "acknowledged and is unknown",
    leave_waiting: "acknowledged and is retrying",
    kill_healthy: "healthy and ended dead",
    burn_attempt: "crashes must burn none",
    too_many_attempts: "ran 4 attempts of 3",
    swap_result: "has the result 2",
    same_fence_twice: "started with fence 1 after fence 1",
    falling_fence: "started with fence 1 after fence 3",
    fence_beyond_row: "ran with fence 4, its row says 3",
    accept_stale_write: "ran with fence 3, its row says 1",
    tell_completed_twice: "was completed 2 times",
    tell_completed_by_another: "say their workers",
    complete_unrun: "under which no run ended",
    never_run: "completed and never ran",
    ghost_in_store: "in the store and nobody asked",
    ghost_effect: "which nobody asked for",
    other_arguments: "ran with 2, 1 was asked for",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_seen(plant: Callable[[History], None]) -> None:
    history = History()
    plant(history)
    found = history.judge().violations
    assert any(PLANTED[plant] in text for text in found), found


def test_a_torn_record_spoils_no_other(tmp_path: Any) -> None:
    path = tmp_path / "ledger"
    Ledger(path).write("first")
    with path.open("ab") as file:
        file.write(b'\n{"kind":"to')
    Ledger(path).write("last")
    assert [record["kind"] for record in read(path)] == ["first", "last"]
