"""Guards, and what each order does to a row."""

import pytest
from msgspec.structs import asdict, replace

from headrace.model.change import (
    Change,
    Ended,
    Held,
    In,
    Patch,
    claimed,
    inserted,
    is_settled,
    order,
    passes,
    patched,
    promoted,
    reclaimed,
    stands,
)
from headrace.model.job import DEFAULT_OPTIONS, HISTORY, AttemptRecord, Encoding, Job, NewJob, Notes, Options, Until
from headrace.model.outcome import Failure
from headrace.model.state import FINAL, RUNNING, WAITING, State

NOW = 1_800_000_000_000
BOOM = Failure("ValueError", "boom")


def new(**fields: object) -> NewJob:
    return NewJob(**{"id": "j1", "task": "send", "queue": "email", "payload": "{}"} | fields)  # type: ignore[arg-type]


def row(**fields: object) -> Job:
    return replace(inserted(new(), NOW), **fields)


def running(**fields: object) -> Job:
    return replace(claimed(row(), "w1", NOW + 5), **fields)


def changed(before: Job, after: Job) -> dict[str, object]:
    old = asdict(before)
    return {name: value for name, value in asdict(after).items() if value != old[name]}


# --- guards


def test_held_passes_only_for_this_worker_and_generation_while_it_runs() -> None:
    job = running()
    fence = Held("w1", 1)
    assert passes(fence, job)
    assert not passes(Held("w2", 1), job)
    assert not passes(Held("w1", 0), job)
    assert not passes(Held("w1", 2), job)
    assert not passes(fence, reclaimed(job, "w1"))


@pytest.mark.parametrize("state", [state for state in State if state not in RUNNING])
def test_held_never_passes_for_a_job_that_does_not_run(state: State) -> None:
    assert not passes(Held("w1", 1), running(state=state))


@pytest.mark.parametrize("state", sorted(WAITING | FINAL))
def test_a_change_that_was_applied_is_known_by_its_hold_having_ended_so(state: State) -> None:
    job = running()
    change = Change(job.id, Held("w1", 1), Patch(state))
    after = patched(job, change.patch, NOW)
    assert stands(after, change)
    assert not stands(job, change)  # it was not applied
    assert not stands(None, change)
    assert (is_settled(after, change), is_settled(job, change), is_settled(None, change)) == (True, False, True)
    assert not stands(reclaimed(job, "w2"), change)
    assert not stands(patched(reclaimed(job, "w2"), change.patch, NOW), change)  # somebody else's doing
    assert not stands(after, Change(job.id, In(frozenset({State.RUNNING})), Patch(state)))
    assert stands(patched(after, Patch(State.CANCELLED), NOW), change) is (state in WAITING | {State.CANCELLED})


def test_in_passes_for_its_states_alone() -> None:
    assert [state for state in State if passes(In(WAITING), row(state=state))] == sorted(WAITING, key=list(State).index)
    assert not any(passes(In(frozenset()), row(state=state)) for state in State)


# --- rows begin


def test_a_new_job_due_now_is_pending() -> None:
    job = inserted(new(), NOW)
    assert (job.state, job.due_at, job.enqueued_at) == (State.PENDING, NOW, NOW)
    assert (job.attempt, job.crashes, job.generation, job.worker, job.history) == (0, 0, 0, None, ())


def test_a_new_job_with_a_delay_is_scheduled_by_the_storages_clock() -> None:
    job = inserted(new(delay=1.5), NOW)
    assert (job.state, job.due_at, job.enqueued_at) == (State.SCHEDULED, NOW + 1500, NOW)


@pytest.mark.parametrize(("at", "state"), [(NOW - 1, State.PENDING), (NOW, State.PENDING), (NOW + 1, State.SCHEDULED)])
def test_an_instant_of_the_callers_own_wins_over_a_delay(at: int, state: State) -> None:
    job = inserted(new(at=at, delay=60.0), NOW)
    assert (job.state, job.due_at) == (state, at)


def test_a_new_job_keeps_all_that_was_asked_for() -> None:
    options = Options(timeout=3.0, max_attempts=7, headers={"trace": "abc"})
    asked = new(
        payload="aGk=", encoding=Encoding.BYTES, priority=7, key="k", until=Until.CLAIMED, window=None, options=options
    )
    job = inserted(asked, NOW)
    for name in ("id", "task", "queue", "payload", "encoding", "priority", "key", "until", "options"):
        assert getattr(job, name) == getattr(asked, name), name
    assert inserted(new(), NOW).options is DEFAULT_OPTIONS


# --- rows are claimed, promoted, reclaimed


def test_a_claim_counts_an_attempt_and_raises_the_generation() -> None:
    before = row(attempt=1, generation=4, worker="w0", key="k")
    assert changed(before, claimed(before, "w1", NOW + 9)) == {
        "state": State.RUNNING,
        "attempt": 2,
        "generation": 5,
        "worker": "w1",
        "started_at": NOW + 9,
    }


@pytest.mark.parametrize(("until", "key"), [(Until.CLAIMED, None), (Until.FINISHED, "k"), (Until.WINDOW, "k")])
def test_a_claim_gives_up_only_a_key_that_is_held_until_then(until: Until, key: str | None) -> None:
    assert claimed(row(key="k", until=until), "w1", NOW).key == key


def test_a_claim_takes_the_stamp_of_solitude_away() -> None:
    assert not claimed(row(alone=True), "w1", NOW).alone


def test_a_reclaim_passes_the_job_on_as_it_is_under_a_new_generation() -> None:
    before = running(alone=True, cancel_requested=True)
    assert changed(before, reclaimed(before, "w2")) == {"generation": 2, "worker": "w2", "rescued": True}


def test_a_promotion_changes_the_state_and_nothing_else() -> None:
    before = row(state=State.RETRYING, attempt=1, reason="failed")
    assert changed(before, promoted(before)) == {"state": State.PENDING}


def test_jobs_are_claimed_by_priority_then_due_time_then_id() -> None:
    rows = [
        row(id="a", priority=1000, due_at=NOW),
        row(id="b", priority=100, due_at=NOW + 9),
        row(id="d", priority=1000, due_at=NOW - 1),
        row(id="c", priority=1000, due_at=NOW - 1),
    ]
    assert [job.id for job in sorted(rows, key=order)] == ["b", "c", "d", "a"]


# --- patches


def test_an_empty_patch_changes_nothing() -> None:
    for before in (running(cancel_requested=True, parked_at=NOW), row(reason="interrupted", result_error="too large")):
        assert changed(before, patched(before, Patch(), NOW + 99)) == {}


def test_a_delay_counts_from_now_and_none_keeps_the_place() -> None:
    assert patched(running(), Patch(State.RETRYING, delay=2.5), NOW + 100).due_at == NOW + 2600
    assert patched(running(), Patch(State.PENDING), NOW + 100).due_at == NOW
    assert patched(running(), Patch(State.PENDING, delay=0.0), NOW + 100).due_at == NOW + 100


def test_attempts_are_given_back_but_never_below_none() -> None:
    assert patched(running(), Patch(State.SCHEDULED, attempt=-1), NOW).attempt == 0
    assert patched(running(attempt=0), Patch(State.SCHEDULED, attempt=-1), NOW).attempt == 0


def test_crashes_add_up() -> None:
    assert patched(running(crashes=1), Patch(State.RETRYING, crashes=1), NOW).crashes == 2


@pytest.mark.parametrize("state", sorted(WAITING | FINAL))
def test_a_job_that_stops_running_is_neither_alone_nor_rescued(state: State) -> None:
    job = patched(running(alone=True, rescued=True), Patch(state), NOW)
    assert (job.alone, job.rescued) == (False, False)


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_wish_to_cancel_outlives_an_attempt_that_did_not_see_it(state: State) -> None:
    assert patched(running(cancel_requested=True), Patch(state), NOW).cancel_requested
    assert claimed(row(cancel_requested=True), "w1", NOW).cancel_requested


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_wish_to_cancel_ends_with_the_job(state: State) -> None:
    assert not patched(running(cancel_requested=True), Patch(state), NOW).cancel_requested


@pytest.mark.parametrize("state", sorted(State))
def test_only_final_jobs_have_finished(state: State) -> None:
    job = patched(running(), Patch(state), NOW + 7)
    assert job.finished_at == (NOW + 7 if state in FINAL else None)


def test_the_reason_is_that_of_the_last_move() -> None:
    job = patched(running(reason="failed"), Patch(alone=True), NOW)
    assert job.reason == "failed"
    assert patched(job, Patch(State.SCHEDULED, reason="snoozed"), NOW).reason == "snoozed"
    assert patched(job, Patch(State.COMPLETED), NOW).reason is None


def test_a_reset_forgets_budgets_parking_and_result_but_not_the_past() -> None:
    past = (AttemptRecord(1, "w1", NOW, NOW + 1, "failed", BOOM),)
    before = row(
        state=State.DEAD,
        attempt=3,
        crashes=2,
        generation=5,
        parked_at=NOW,
        finished_at=NOW,
        result="1",
        result_error="no",
        history=past,
        reason="exhausted",
    )
    job = patched(before, Patch(State.PENDING, reset=True, reason="retried"), NOW + 1)
    assert (job.attempt, job.crashes, job.parked_at, job.finished_at) == (0, 0, None, None)
    assert (job.result, job.result_error, job.reason) == (None, None, "retried")
    assert (job.history, job.generation) == (past, 5)


def test_the_first_parking_is_noted_and_later_ones_keep_its_moment() -> None:
    once = patched(running(), Patch(State.SCHEDULED, parked=True), NOW + 1)
    assert once.parked_at == NOW + 1
    again = patched(claimed(once, "w2", NOW + 2), Patch(State.SCHEDULED, parked=True), NOW + 3)
    assert again.parked_at == NOW + 1


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_job_put_back_for_another_reason_is_not_parked_any_more(state: State) -> None:
    assert patched(running(parked_at=NOW), Patch(state), NOW + 1).parked_at is None


def test_a_dead_job_tells_since_when_it_was_parked() -> None:
    assert patched(running(parked_at=NOW), Patch(State.DEAD), NOW + 1).parked_at == NOW


def test_a_result_is_kept_or_the_reason_why_it_is_not() -> None:
    assert patched(running(), Patch(State.COMPLETED, result="[1]"), NOW).result == "[1]"
    job = patched(running(), Patch(State.COMPLETED, result_error="too large"), NOW)
    assert (job.result, job.result_error) == (None, "too large")


@pytest.mark.parametrize(
    "job",
    [
        running(rescued=True, alone=True),
        patched(running(), Patch(State.COMPLETED, result="[1]"), NOW + 10),
        patched(running(), Patch(State.COMPLETED, result_error="too large"), NOW + 10),
        patched(running(), Patch(State.DEAD, reason="exhausted"), NOW + 10),
    ],
    ids=["rescued", "completed", "result refused", "dead"],
)
def test_notes_leave_everything_else_as_it_is(job: Job) -> None:
    after = patched(job, Patch(notes=Notes(50.0, "half")), NOW + 20)
    assert changed(job, after).keys() == {"notes"}
    assert after.notes == Notes(50.0, "half", NOW + 20)


def test_an_ended_attempt_is_remembered_with_who_ran_it_and_when() -> None:
    job = patched(running(), Patch(State.RETRYING, ended=Ended("failed", BOOM)), NOW + 50)
    assert job.history == (AttemptRecord(1, "w1", NOW + 5, NOW + 50, "failed", BOOM),)
    assert job.last_error == "ValueError: boom"


def test_the_past_is_bounded_and_the_oldest_goes_first() -> None:
    past = tuple(AttemptRecord(n, "w1", NOW, NOW, "failed") for n in range(HISTORY))
    job = patched(running(history=past, attempt=99), Patch(State.RETRYING, ended=Ended("failed")), NOW)
    assert len(job.history) == HISTORY
    assert (job.history[0].attempt, job.history[-1].attempt) == (1, 99)


def test_no_patch_touches_the_fence_or_what_was_asked_for() -> None:
    before = running(key="k")
    everything = Patch(
        State.DEAD, 5.0, -1, 1, True, Ended("failed", BOOM), "why", "1", "no", True, True, True, True, True
    )
    after = patched(before, everything, NOW + 1)
    for name in ("id", "task", "queue", "payload", "priority", "enqueued_at", "generation", "worker", "options"):
        assert getattr(after, name) == getattr(before, name), name


def test_all_attempts_are_told_the_one_that_completed_included() -> None:
    job = running()
    failed = patched(job, Patch(State.RETRYING, ended=Ended("failed", BOOM)), NOW + 10)
    assert failed.attempts == failed.history == (AttemptRecord(1, "w1", NOW + 5, NOW + 10, "failed", BOOM),)
    again = claimed(promoted(failed), "w2", NOW + 20)
    assert again.attempts == failed.history, "the one under way has not ended"
    done = patched(again, Patch(State.COMPLETED), NOW + 30)
    assert done.attempts == (*failed.history, AttemptRecord(2, "w2", NOW + 20, NOW + 30, "completed"))
    assert done.history == failed.history
