"""The table of moves is the whole truth: no events, in no order, make another move, and each move has its event."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import Change, claimed, inserted, passes, patched, promoted, reclaimed
from headrace.model.job import HISTORY, Job, NewJob, Notes
from headrace.model.outcome import Crashed, Failure, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.model.retry import RetryPolicy
from headrace.model.state import FINAL, MOVES, RUNNING, WAITING, State

START = 1_800_000_000_000
BOOM = Failure("ValueError", "boom")
POLICY = RetryPolicy.linear(max_attempts=3, base=5.0)
OUTCOMES: tuple[Outcome, ...] = (
    Returned(),
    Returned(b"[1]"),
    Returned(None, "too large"),
    Raised(BOOM),
    Raised(Failure("Timeout", "late")),
    Raised(BOOM, final=True),
    Refused(BOOM),
    Snoozed(30.0),
    Snoozed(2.0, "throttled"),
    Stopped("enough"),
    Crashed(BOOM),
)

Decide = Callable[[Job, float], Change | None]
"""What somebody decides who has seen the job as it was at some time. ``float`` is a random number."""

DECISIONS: dict[str, Decide] = {
    **{
        f"settle {number}": lambda job, random, outcome=outcome: lifecycle.settle(job, outcome, POLICY, random, 2)
        for number, outcome in enumerate(OUTCOMES)
    },
    "hand back": lambda job, _: lifecycle.hand_back(job),
    "drop": lambda job, _: lifecycle.drop(job),
    "note": lambda job, random: lifecycle.note(job, Notes(100 * random)),
    "park": lambda job, _: lifecycle.park(job, 60.0),
    "lapse": lambda job, random: lifecycle.lapse(job, random, 2),
    "await solitude": lambda job, random: lifecycle.await_solitude(job, 10 * random),
    "limit": lambda job, random: lifecycle.limit(job, 10 * random),
    "stamp alone": lambda job, _: lifecycle.stamp_alone(job),
    "cancel": lambda job, _: lifecycle.cancel(job),
    "retry": lambda job, _: lifecycle.retry(job),
    "run now": lambda job, _: lifecycle.run_now(job),
}
STORAGE = ("promote", "claim", "reclaim")
"""What a storage does by itself, as its contract says: to jobs of one state only, so with no guard."""


def acted(job: Job, event: str, worker: str, now: int) -> Job:
    """The row after something that a storage does by itself."""
    if event == "promote" and job.state in WAITING - {State.PENDING}:
        return promoted(job)
    if event == "claim" and job.state is State.PENDING:
        return claimed(job, worker, now)
    if event == "reclaim" and job.state in RUNNING:
        return reclaimed(job, worker)
    return job


def check_step(before: Job, after: Job, event: str) -> None:
    """What holds for every step of every life."""
    if before != after:
        assert after.state in MOVES[before.state], f"{event}: {before.state} -> {after.state}"
    assert after.generation >= before.generation, event
    assert before.attempt - 1 <= after.attempt <= before.attempt + 1 or event == "retry"
    assert after.attempt >= (1 if after.state in RUNNING else 0)
    assert after.crashes >= before.crashes or event == "retry"
    assert (after.finished_at is not None) == (after.state in FINAL)
    assert len(after.history) <= HISTORY
    if before.state in FINAL and before != after:
        assert (before.state, event, after.state) == (State.DEAD, "retry", State.PENDING)
    if after.state not in RUNNING:
        assert not after.alone
        assert not after.rescued
    if before.cancel_requested:
        assert after.cancel_requested or after.state in FINAL, f"{event} lost a wish to cancel"
    for asked in ("id", "task", "queue", "payload", "encoding", "priority", "enqueued_at", "options"):
        assert getattr(after, asked) == getattr(before, asked)


steps = st.lists(
    st.tuples(
        st.sampled_from([*STORAGE, "claim", *DECISIONS]),
        st.sampled_from(["w1", "w2"]),
        st.one_of(st.just(0), st.just(0), st.integers(1, 8)),  # how old the row is that the decision was made about
        st.integers(0, 90_000),
        st.floats(0, 1, exclude_max=True),
    ),
    max_size=60,
)


@given(st.sampled_from([0.0, 20.0]), steps)
def test_no_life_leaves_the_table(delay: float, life: list[tuple[str, str, int, int, float]]) -> None:
    now = START
    job = inserted(NewJob("j1", "send", "email", "{}", delay=delay), now)
    seen = [job]
    for event, worker, age, passing, random in life:
        now += passing
        before = job
        if event in STORAGE:
            job = acted(job, event, worker, now)
        else:
            known = seen[max(0, len(seen) - 1 - age)]
            change = DECISIONS[event](known, random)
            if change is not None and passes(change.guard, job):
                job = patched(job, change.patch, now)
        check_step(before, job, event)
        seen.append(job)


@given(st.sampled_from(sorted(DECISIONS)), st.floats(0, 1, exclude_max=True))
def test_a_fenced_decision_about_an_older_claim_changes_nothing(event: str, random: float) -> None:
    old = claimed(inserted(NewJob("j1", "send", "email", "{}"), START), "w1", START)
    lost = reclaimed(old, "w1")
    change = DECISIONS[event](old, random)
    assert change is None or event == "cancel" or not passes(change.guard, lost)


def samples() -> list[Job]:
    """A job in every state, and running ones with every budget used up or not."""
    fresh = inserted(NewJob("j1", "send", "email", "{}"), START)
    held = claimed(fresh, "w1", START)
    lives = [replace(fresh, state=state) for state in State if state not in RUNNING]
    return [*lives, held, replace(held, alone=True, crashes=5), replace(held, attempt=9)]


def test_every_move_in_the_table_has_an_event_that_makes_it() -> None:
    made = set()
    for job in samples():
        after = [acted(job, event, "w2", START) for event in STORAGE]
        changes = [decide(job, 0.5) for decide in DECISIONS.values()]
        after += [patched(job, change.patch, START) for change in changes if change and passes(change.guard, job)]
        made |= {(job.state, end.state) for end in after if end != job}
    assert made == {(start, end) for start, ends in MOVES.items() for end in ends}
