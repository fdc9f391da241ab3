"""The state machine: what every event makes of a job."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import Change, Held, In, claimed, inserted, passes, patched, reclaimed
from headrace.model.job import Job, NewJob, Notes, Until
from headrace.model.outcome import (
    ROLLED_BACK,
    Crashed,
    Failure,
    Outcome,
    Raised,
    Refused,
    Returned,
    Snoozed,
    Stopped,
)
from headrace.model.retry import RetryPolicy
from headrace.model.state import FINAL, WAITING, State

NOW = 1_800_000_000_000
BOOM = Failure("ValueError", "boom")
LATE = Failure("Timeout", "ran longer than timeout=1 s")
SEGFAULT = Failure("Crash", "its process died")
POLICY = RetryPolicy.exponential(max_attempts=3, base=2.0, jitter=0)
MIDDLE = 0.5
"""The random number at which jitter changes nothing."""


def row(**fields: object) -> Job:
    return replace(inserted(NewJob("j1", "send", "email", "{}", key="k", until=Until.FINISHED), NOW), **fields)


def running(**fields: object) -> Job:
    return replace(claimed(row(), "w1", NOW), **fields)


def applied(job: Job, change: Change | None, now: int = NOW + 100) -> Job:
    assert change is not None
    assert change.job_id == job.id
    assert passes(change.guard, job)
    return patched(job, change.patch, now)


def settled(job: Job, outcome: Outcome, budget: int = 3) -> Job:
    return applied(job, lifecycle.settle(job, outcome, POLICY, MIDDLE, budget))


# --- settle


def test_every_settlement_is_fenced_by_worker_and_generation() -> None:
    job = running(generation=7)
    outcomes = [Returned(), Raised(BOOM), Refused(BOOM), Snoozed(1.0), Stopped("enough"), Crashed(SEGFAULT)]
    fenced = [lifecycle.settle(job, outcome, POLICY, MIDDLE) for outcome in outcomes]
    fenced += [lifecycle.hand_back(job), lifecycle.park(job), lifecycle.lapse(job, MIDDLE), lifecycle.stamp_alone(job)]
    fenced += [lifecycle.await_solitude(job, 1.0), lifecycle.drop(job), lifecycle.note(job, Notes(1.0))]
    fenced += [lifecycle.limit(job, 1.0)]
    assert {change.guard for change in fenced} == {Held("w1", 7)}


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "due_in", "attempt", "crashes", "recorded"),
    [
        (Returned(), State.COMPLETED, None, None, 1, 0, None),
        (Returned(b"[1]"), State.COMPLETED, None, None, 1, 0, None),
        (Returned(None, "too large"), State.COMPLETED, None, None, 1, 0, None),
        (Raised(BOOM), State.RETRYING, "failed", 2.0, 1, 0, ("failed", BOOM)),
        (Raised(LATE), State.RETRYING, "failed", 2.0, 1, 0, ("timeout", LATE)),
        (ROLLED_BACK, State.RETRYING, "rolled_back", 2.0, 1, 0, ("rolled_back", ROLLED_BACK.failure)),
        (Raised(BOOM, final=True), State.DEAD, "given_up", None, 1, 0, ("failed", BOOM)),
        (Refused(BOOM), State.DEAD, "permanent", None, 1, 0, ("failed", BOOM)),
        (Snoozed(60.0), State.SCHEDULED, "snoozed", 60.0, 0, 0, ("snoozed", None)),
        (Snoozed(5.0, "throttled"), State.SCHEDULED, "throttled", 5.0, 0, 0, ("throttled", None)),
        (Stopped("enough"), State.CANCELLED, "cancelled", None, 1, 0, ("cancelled", Failure("Cancelled", "enough"))),
        (Crashed(SEGFAULT), State.RETRYING, "crashed", 1.0, 0, 1, ("crashed", SEGFAULT)),
    ],
)
def test_what_an_answer_makes_of_a_first_attempt(
    outcome: Outcome,
    state: State,
    reason: str | None,
    due_in: float | None,
    attempt: int,
    crashes: int,
    recorded: tuple[str, Failure | None] | None,
) -> None:
    job = settled(running(), outcome)
    assert (job.state, job.reason) == (state, reason)
    assert (job.attempt, job.crashes) == (attempt, crashes)
    assert job.due_at == (NOW if due_in is None else NOW + 100 + round(due_in * 1000))
    assert [(record.outcome, record.failure) for record in job.history] == ([recorded] if recorded else [])
    assert (job.finished_at is not None) == (state in FINAL)


def test_a_result_is_kept_as_text_and_an_error_about_it_beside() -> None:
    assert settled(running(), Returned(b'{"a":1}')).result == '{"a":1}'
    job = settled(running(), Returned(None, "not serializable"))
    assert (job.state, job.result, job.result_error) == (State.COMPLETED, None, "not serializable")


def test_retries_wait_longer_each_time_until_the_attempts_are_used_up() -> None:
    first, second, third = (settled(running(attempt=n), Raised(BOOM)) for n in (1, 2, 3))
    assert [job.due_at - NOW - 100 for job in (first, second)] == [2000, 4000]
    assert [job.state for job in (first, second, third)] == [State.RETRYING, State.RETRYING, State.DEAD]
    assert (third.reason, third.attempt) == ("exhausted", 3)


def test_what_is_rolled_back_uses_its_attempts_up_too() -> None:
    job = settled(running(attempt=3), ROLLED_BACK)
    assert (job.state, job.reason, job.history[-1].outcome) == (State.DEAD, "exhausted", "rolled_back")


def test_the_last_failure_of_a_dead_job_is_remembered() -> None:
    job = settled(running(attempt=3), Raised(BOOM))
    assert [(record.outcome, record.failure) for record in job.history] == [("failed", BOOM)]


def test_an_attempt_beyond_its_budget_is_the_last() -> None:
    assert settled(running(attempt=9), Raised(BOOM)).reason == "exhausted"


def test_jitter_comes_from_the_callers_random_number() -> None:
    policy = RetryPolicy.fixed(3, 10, jitter=0.5)
    low, high = (lifecycle.settle(running(), Raised(BOOM), policy, random).patch.delay for random in (0.0, 0.75))
    assert (low, high) == (5.0, 12.5)


@pytest.mark.parametrize(
    ("outcome", "frees"),
    [
        (Returned(), True),
        (Returned(b"1"), True),
        (Raised(BOOM, final=True), True),
        (Refused(BOOM), True),
        (Stopped("enough"), True),
        (Raised(BOOM), False),
        (Snoozed(1.0), False),
        (Crashed(SEGFAULT), False),
    ],
)
def test_the_key_is_free_once_the_job_is_final_and_not_before(outcome: Outcome, frees: bool) -> None:
    assert lifecycle.settle(running(), outcome, POLICY, MIDDLE).patch.release_key is frees


# --- crashes


@pytest.mark.parametrize(
    ("alone", "crashes_before", "budget", "state", "reason"),
    [
        (False, 0, 3, State.RETRYING, "crashed"),
        (False, 2, 3, State.RETRYING, "crashed"),
        (False, 50, 3, State.RETRYING, "crashed"),
        (True, 0, 3, State.RETRYING, "crashed"),
        (True, 1, 3, State.RETRYING, "crashed"),
        (True, 2, 3, State.DEAD, "poison"),
        (True, 7, 3, State.DEAD, "poison"),
        (True, 0, 1, State.DEAD, "poison"),
        (False, 0, 1, State.RETRYING, "crashed"),
    ],
)
def test_only_a_crash_while_alone_and_at_the_budget_kills(
    alone: bool, crashes_before: int, budget: int, state: State, reason: str
) -> None:
    job = reclaimed(running(alone=alone, crashes=crashes_before), "w2")
    after = applied(job, lifecycle.lapse(job, MIDDLE, budget))
    assert (after.state, after.reason, after.crashes) == (state, reason, crashes_before + 1)
    assert after.history[-1].outcome == "crashed"


def test_a_rescue_remembers_that_the_worker_vanished() -> None:
    after = applied(running(), lifecycle.lapse(running(), MIDDLE))
    assert [record.failure for record in after.history] == [Failure("Crash", "its worker vanished")]


def test_a_job_that_was_cancelled_before_it_started_burns_no_attempt_and_says_so() -> None:
    job = running(attempt=2, cancel_requested=True)
    after = applied(job, lifecycle.drop(job))
    assert (after.state, after.reason, after.attempt) == (State.CANCELLED, "cancelled", 1)
    never = Failure("Cancelled", "cancelled before it started")
    assert [(record.outcome, record.failure) for record in after.history] == [("cancelled", never)]


def test_a_crash_burns_no_attempt_and_leaves_the_job_to_the_next_worker() -> None:
    job = reclaimed(running(attempt=2), "w2")
    after = applied(job, lifecycle.lapse(job, MIDDLE))
    assert (after.state, after.attempt, after.rescued, after.alone) == (State.RETRYING, 1, False, False)


def test_crashes_back_off_on_their_own_count() -> None:
    delays = [lifecycle.lapse(running(crashes=n, attempt=3), MIDDLE).patch.delay for n in range(4)]
    assert delays == [1.0, 2.0, 4.0, 8.0]


def test_two_rescues_of_one_crash_count_once() -> None:
    job = reclaimed(reclaimed(running(), "w2"), "w3")
    assert applied(job, lifecycle.lapse(job, MIDDLE)).crashes == 1


def test_the_process_of_one_attempt_can_only_crash_alone() -> None:
    job = running(crashes=2, alone=False)
    assert settled(job, Crashed(SEGFAULT)).reason == "poison"
    assert settled(job, Crashed(SEGFAULT), budget=4).state is State.RETRYING


@pytest.mark.parametrize("alone", [True, False])
def test_a_crashed_job_that_was_to_be_cancelled_is_cancelled(alone: bool) -> None:
    job = running(alone=alone, crashes=9, cancel_requested=True)
    for change in (lifecycle.lapse(job, MIDDLE), lifecycle.settle(job, Crashed(SEGFAULT), POLICY, MIDDLE)):
        after = applied(job, change)
        assert (after.state, after.reason, after.crashes) == (State.CANCELLED, "cancelled", 10)
        assert change.patch.release_key


def test_a_stamp_of_solitude_changes_nothing_else_and_outlives_a_reclaim() -> None:
    job = running()
    stamped = applied(job, lifecycle.stamp_alone(job))
    assert stamped == replace(job, alone=True)
    assert reclaimed(stamped, "w2").alone


# --- handed back, parked, put off


def test_a_job_handed_back_runs_again_at_once_in_its_old_place() -> None:
    job = running(attempt=2)
    after = applied(job, lifecycle.hand_back(job))
    assert (after.state, after.reason, after.attempt) == (State.PENDING, "interrupted", 1)
    assert (after.due_at, after.history, after.crashes) == (NOW, (), 0)


def test_a_job_that_has_to_wait_for_solitude_waits_without_burning_an_attempt() -> None:
    job = running(attempt=2, crashes=1)
    after = applied(job, lifecycle.await_solitude(job, 3.0))
    assert (after.state, after.reason, after.attempt, after.crashes) == (State.SCHEDULED, "awaits_solitude", 1, 1)
    assert after.due_at == NOW + 100 + 3000


def test_a_job_without_a_permit_comes_again_without_burning_an_attempt() -> None:
    """It did not start: nothing is remembered of it, and throttles before and after it are still in a row."""
    job = running(attempt=2)
    after = applied(job, lifecycle.limit(job, 0.3))
    assert (after.state, after.reason, after.attempt) == (State.SCHEDULED, "limited", 1)
    assert (after.due_at, after.history) == (NOW + 100 + 300, ())


def test_a_snooze_gives_back_its_own_attempt_alone() -> None:
    assert settled(running(attempt=3), Snoozed(1.0)).attempt == 2


def throttled(job: Job, retry_after: float, policy: RetryPolicy) -> Job:
    """The row after one more attempt that ended so."""
    again = claimed(replace(job, state=State.PENDING), "w1", NOW)
    return applied(again, lifecycle.settle(again, Snoozed(retry_after, "throttled"), policy, MIDDLE))


def test_throttles_in_a_row_wait_by_the_policy_where_that_is_longer() -> None:
    policy, job, delays = RetryPolicy.exponential(3, base=1, cap=60, jitter=0), row(), []
    for _ in range(8):
        job = throttled(job, 5.0, policy)
        delays.append((job.due_at - NOW - 100) / 1000)
    assert delays == [5, 5, 5, 8, 16, 32, 60, 60]
    assert (job.attempt, job.reason) == (0, "throttled")
    again = claimed(replace(job, state=State.PENDING), "w1", NOW)
    snoozed = applied(again, lifecycle.settle(again, Snoozed(1.0), policy, MIDDLE))
    assert (snoozed.due_at - NOW - 100) / 1000 == 1
    assert (throttled(snoozed, 5.0, policy).due_at - NOW - 100) / 1000 == 5


def test_without_backoff_a_throttled_job_comes_again_exactly_when_asked_to() -> None:
    job = row()
    for _ in range(30):
        job = throttled(job, 5.0, RetryPolicy(base=0.0))
        assert job.due_at == NOW + 100 + 5_000


def parkings(grace: float) -> tuple[list[float], Job]:
    """Claims and parks a job as soon as it is due, until it is dead: the delays, and what became of it."""
    job, now, delays = row(), NOW, []
    while job.state is not State.DEAD:
        job = claimed(job, "w1", now)
        change = lifecycle.park(job, grace)
        job = applied(job, change, now)
        if change.patch.delay is not None:
            delays.append(change.patch.delay)
            now = job.due_at
        assert len(delays) < 100
    return delays, job


def test_parking_grows_to_its_longest_and_ends_with_the_grace() -> None:
    delays, job = parkings(lifecycle.UNKNOWN_TASK_GRACE)
    assert delays[:11] == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]
    assert max(delays) == 300.0
    assert sum(delays) == pytest.approx(3600.0, abs=1.0)
    assert (job.state, job.reason, job.crashes) == (State.DEAD, "unknown_task", 0)
    assert job.last_error == "UnknownTask: no worker registered task 'send'"


def test_parking_burns_no_attempt() -> None:
    job = running(attempt=2)
    after = applied(job, lifecycle.park(job))
    assert (after.state, after.reason, after.attempt, after.history) == (State.SCHEDULED, "unknown_task", 1, ())


def test_a_job_of_a_task_that_nobody_knew_remembers_that() -> None:
    job = applied(running(), lifecycle.park(running(), 0))
    assert [record.outcome for record in job.history] == ["unknown_task"]


def test_the_shortest_grace_is_one_parking() -> None:
    assert applied(running(), lifecycle.park(running(), 0.001)).state is State.SCHEDULED


def test_with_a_grace_of_none_an_unknown_task_is_dead_at_once() -> None:
    delays, job = parkings(0)
    assert delays == []
    assert (job.state, job.reason) == (State.DEAD, "unknown_task")


def test_a_job_that_was_known_in_between_is_parked_with_the_whole_grace() -> None:
    parked = applied(running(), lifecycle.park(running()), NOW)
    ran = claimed(parked, "w2", NOW + 1000)
    snoozed = applied(ran, lifecycle.settle(ran, Snoozed(7 * 86400.0), POLICY, MIDDLE), NOW + 1000)
    met = claimed(snoozed, "w1", snoozed.due_at)
    assert lifecycle.park(met).patch.state is State.SCHEDULED


# --- operators


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_waiting_job_is_cancelled_at_once(state: State) -> None:
    job = row(state=state)
    change = lifecycle.cancel(job)
    after = applied(job, change)
    assert (after.state, after.reason, after.finished_at) == (State.CANCELLED, "cancelled", NOW + 100)
    assert change is not None
    assert change.patch.release_key
    assert not passes(change.guard, claimed(job, "w1", NOW)), "it started meanwhile: this order must not touch it"


def test_a_running_job_is_asked_to_stop_whoever_runs_it_and_however_often() -> None:
    job = running()
    change = lifecycle.cancel(job)
    asked = applied(job, change)
    assert asked == replace(job, cancel_requested=True)
    assert applied(asked, lifecycle.cancel(asked)) == asked
    assert change is not None
    assert passes(change.guard, reclaimed(job, "w2"))
    assert not passes(change.guard, settled(job, Returned())), "it finished first: it stays completed"


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_job_is_not_cancelled(state: State) -> None:
    assert lifecycle.cancel(row(state=state)) is None


@pytest.mark.parametrize("outcome", [Snoozed(5.0), Raised(BOOM)])
def test_a_wish_to_cancel_that_an_attempt_did_not_see_stands_for_the_next(outcome: Outcome) -> None:
    job = running()
    asked = applied(job, lifecycle.cancel(job))
    waiting = applied(asked, lifecycle.settle(job, outcome, POLICY, MIDDLE))
    assert claimed(replace(waiting, state=State.PENDING), "w2", NOW).cancel_requested


UNFINISHED: dict[str, Callable[[Job], Change]] = {
    "failed": lambda job: lifecycle.settle(job, Raised(BOOM), POLICY, MIDDLE),
    "gave up": lambda job: lifecycle.settle(job, Raised(BOOM, final=True), POLICY, MIDDLE),
    "refused": lambda job: lifecycle.settle(job, Refused(BOOM), POLICY, MIDDLE),
    "snoozed": lambda job: lifecycle.settle(job, Snoozed(60.0), POLICY, MIDDLE),
    "crashed": lambda job: lifecycle.settle(job, Crashed(SEGFAULT), POLICY, MIDDLE),
    "lapsed": lambda job: lifecycle.lapse(job, MIDDLE),
    "handed back": lifecycle.hand_back,
    "parked": lifecycle.park,
    "parked too long": lambda job: lifecycle.park(job, 0.0),
    "lonely": lambda job: lifecycle.await_solitude(job, 60.0),
    "limited": lambda job: lifecycle.limit(job, 60.0),
    "not started": lifecycle.drop,
}


@pytest.mark.parametrize("attempt", [1, 3])
@pytest.mark.parametrize("end", UNFINISHED)
def test_a_job_that_somebody_wants_stopped_is_cancelled_by_whatever_does_not_complete_it(
    end: str, attempt: int
) -> None:
    job = running(cancel_requested=True, attempt=attempt)
    change = UNFINISHED[end](job)
    after = applied(job, change)
    assert (after.state, after.reason, after.cancel_requested) == (State.CANCELLED, "cancelled", False)
    assert after.finished_at is not None
    assert change.patch.release_key
    assert after.crashes == (1 if end in ("crashed", "lapsed") else 0)
    never_ran = ("handed back", "parked", "lonely", "limited", "not started")
    assert after.attempt == (attempt - 1 if end in never_ran else attempt)


def test_it_remembers_how_the_attempt_ended_that_was_to_be_cancelled() -> None:
    job = settled(running(cancel_requested=True), Raised(BOOM))
    assert [(record.outcome, record.failure) for record in job.history] == [("failed", BOOM)]


def test_one_that_finished_all_the_same_is_completed() -> None:
    assert settled(running(cancel_requested=True), Returned(b"1")).state is State.COMPLETED


def test_notes_change_nothing_but_notes() -> None:
    job = running(cancel_requested=True, alone=True, parked_at=NOW, reason="why")
    assert replace(applied(job, lifecycle.note(job, Notes(1.0))), notes=None) == job


def test_notes_are_kept() -> None:
    after = applied(running(), lifecycle.note(running(), Notes(50.0, "half")))
    assert after.notes == Notes(50.0, "half", NOW + 100)


def test_a_dead_job_is_retried_with_new_budgets_at_once() -> None:
    dead = row(state=State.DEAD, attempt=3, crashes=3, parked_at=NOW, finished_at=NOW, reason="exhausted", due_at=NOW)
    change = lifecycle.retry(dead)
    after = applied(dead, change)
    assert (after.state, after.reason, after.due_at) == (State.PENDING, "retried", NOW + 100)
    assert (after.attempt, after.crashes, after.parked_at, after.finished_at) == (0, 0, None, None)
    assert change is not None
    assert change.patch.take_key


@pytest.mark.parametrize("state", [state for state in State if state is not State.DEAD])
def test_only_dead_jobs_are_retried(state: State) -> None:
    assert lifecycle.retry(row(state=state)) is None


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYING])
def test_a_job_that_waits_for_its_time_can_run_now(state: State) -> None:
    job = row(state=state, attempt=1, crashes=1, due_at=NOW + 9_999_999)
    after = applied(job, lifecycle.run_now(job))
    assert (after.state, after.reason, after.due_at) == (State.PENDING, "run_now", NOW + 100)
    assert (after.attempt, after.crashes) == (1, 1)


@pytest.mark.parametrize("state", [state for state in State if state not in (State.SCHEDULED, State.RETRYING)])
def test_no_other_job_can_run_now(state: State) -> None:
    assert lifecycle.run_now(row(state=state)) is None


@pytest.mark.parametrize(("change", "state"), [(lifecycle.cancel, State.PENDING), (lifecycle.retry, State.DEAD)])
def test_what_operators_do_is_guarded_by_state_not_by_holder(change: object, state: State) -> None:
    order = change(row(state=state))  # type: ignore[operator]
    assert isinstance(order.guard, In)
    assert state in order.guard.states
