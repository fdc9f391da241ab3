"""Attempts and crashes."""

from collections.abc import Sequence

import pytest
from chronicle import Chronicle, names, row, wanted

from headrace.model.job import AttemptRecord, Options
from headrace.model.state import State
from headrace.testing.history.verdict import Kind

BACK = [
    (State.RETRYING, "failed", 2, 0),
    (State.RETRYING, "crashed", 1, 1),
    (State.SCHEDULED, "snoozed", 1, 0),
    (State.SCHEDULED, "limited", 1, 0),
    (State.PENDING, "interrupted", 1, 0),
]


def put_back(state: State, reason: str, attempt: int, crashes: int) -> Chronicle:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, state, reason=reason)
    history.grant("a", 2, attempt=attempt, crashes=crashes)
    return history


@pytest.mark.parametrize(("state", "reason", "attempt", "crashes"), BACK)
def test_each_way_back_counts_what_it_is(state: State, reason: str, attempt: int, crashes: int) -> None:
    assert put_back(state, reason, attempt, crashes).is_good()
    wrong = put_back(state, reason, 3 - attempt, crashes).check(exact=False).violations
    assert [violation.kind for violation in wrong] == [Kind.CRASHES if crashes else Kind.ATTEMPTS]
    wrong = put_back(state, reason, attempt, crashes + 1).check(exact=False).violations
    assert [violation.kind for violation in wrong] == [Kind.CRASHES]


def test_a_release_that_burns_an_attempt_is_seen() -> None:
    violation = put_back(State.PENDING, "interrupted", 2, 0).only(Kind.ATTEMPTS)
    assert violation.what == (
        "a was put back (interrupted) under generation 1, attempt 1 with 0 crashes; the next is attempt 2 with 0"
    )
    assert names(violation.records) == ["Granted", "Settled", "Granted"]


def test_a_rescue_counts_nothing_until_its_rescuer_settles_it() -> None:
    history = Chronicle()
    history.grant("a")
    history.grant("a", 2, worker="w2", rescued=True)
    history.grant("a", 3, worker="w3", rescued=True)
    history.settle("a", 3, State.RETRYING, worker="w3", reason="crashed")
    history.grant("a", 4, worker="w1", crashes=1)
    assert history.is_good()


def test_a_crash_that_is_counted_as_a_failure_is_seen_without_the_rescuers_records() -> None:
    history = Chronicle()
    history.grant("a")
    history.grant("a", 2, worker="w2", rescued=True)
    history.grant("a", 3, worker="w1", attempt=2, crashes=1)
    assert "was put back by its rescuer" in history.only(Kind.CRASHES, exact=False).what


def test_a_rescue_that_counts_a_crash_by_itself_is_seen() -> None:
    history = Chronicle()
    history.grant("a")
    history.grant("a", 2, worker="w2", rescued=True, crashes=1)
    assert history.only(Kind.CRASHES)


def test_where_the_change_is_not_known_both_counts_are_possible() -> None:
    for attempt, crashes in ((1, 0), (1, 1), (2, 0)):
        history = Chronicle()
        history.grant("a")
        history.grant("a", 2, attempt=attempt, crashes=crashes)
        assert history.check().is_good
    history.grant("a", 3, attempt=4)
    assert history.only(Kind.ATTEMPTS, exact=False)


def test_an_operator_sends_a_job_back_with_new_budgets() -> None:
    history = Chronicle()
    history.grant("a", attempt=3, crashes=2)
    history.settle("a", 1, State.DEAD, reason="exhausted")
    history.order("retry", "a")
    history.grant("a", 2)
    assert history.is_good()


def test_more_attempts_than_allowed_are_seen() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", max_attempts=2))
    history.grant("a", 5, attempt=2)
    history.grant("b", 6, attempt=3)
    assert history.check().violations[0].kind is Kind.GHOST
    history.enqueue("b")
    assert history.check().is_good
    history.grant("a", 7, attempt=3)
    assert history.only(Kind.ATTEMPTS, exact=False).what == "a was given out for attempt 3 of 2"


def test_a_job_that_crashed_alone_at_its_budget_is_not_given_out_again() -> None:
    def crash(budget_left: int) -> Chronicle:
        history = Chronicle()
        history.grant("a", 1, crashes=3 - budget_left)
        history.start("a", 1)
        history.grant("a", 2, worker="w2", rescued=True, crashes=3 - budget_left)
        history.settle("a", 2, State.RETRYING, worker="w2", reason="crashed")
        history.grant("a", 3, crashes=4 - budget_left)
        return history

    assert crash(2).is_good()
    with_a_gap = crash(1)
    with_a_gap.records = [record for record in with_a_gap.records if not getattr(record, "rescued", False)]
    assert with_a_gap.check().is_good
    violation = crash(1).only(Kind.CRASHES)
    assert "crashed while it ran alone under generation 1, its crash 3 of 3" in violation.what
    assert crash(1).is_good(budget=4)


def attempts(*outcomes: str) -> Sequence[AttemptRecord]:
    return tuple(AttemptRecord(1, "w1", 0, 0, outcome) for outcome in outcomes)


GOOD = [
    (State.COMPLETED, None, 1, 0, ()),
    (State.COMPLETED, None, 3, 1, ("failed", "crashed", "timeout", "snoozed")),
    (State.DEAD, "exhausted", 3, 0, ("failed", "failed", "failed")),
    (State.DEAD, "permanent", 1, 0, ("failed",)),
    (State.DEAD, "poison", 1, 3, ("crashed", "crashed", "crashed")),
    (State.DEAD, "unknown_task", 1, 0, ("unknown_task",)),
    (State.CANCELLED, "cancelled", 2, 0, ("failed", "cancelled")),
]
BAD = [
    (Kind.ATTEMPTS, State.COMPLETED, None, 2, 0, ()),
    (Kind.CRASHES, State.COMPLETED, None, 2, 1, ("crashed",)),
    (Kind.CRASHES, State.COMPLETED, None, 1, 1, ()),
    (Kind.CRASHES, State.DEAD, "exhausted", 3, 1, ("failed", "failed", "crashed")),
    (Kind.CRASHES, State.DEAD, "poison", 1, 1, ("crashed",)),
    (Kind.ATTEMPTS, State.DEAD, "exhausted", 2, 0, ("failed", "failed")),
    (Kind.ATTEMPTS, State.DEAD, "exhausted", 4, 0, ("failed", "failed", "failed", "failed")),
]


@pytest.mark.parametrize(("state", "reason", "attempt", "crashes", "outcomes"), GOOD)
def test_a_row_is_the_sum_of_its_attempts(
    state: State, reason: str, attempt: int, crashes: int, outcomes: Sequence[str]
) -> None:
    history = Chronicle()
    history.rest(row("a", state, reason=reason, attempt=attempt, crashes=crashes, history=attempts(*outcomes)))
    assert history.is_good()


@pytest.mark.parametrize(("kind", "state", "reason", "attempt", "crashes", "outcomes"), BAD)
def test_a_row_that_is_not_is_seen(
    kind: Kind, state: State, reason: str, attempt: int, crashes: int, outcomes: Sequence[str]
) -> None:
    history = Chronicle()
    told = {"reason": reason, "attempt": attempt, "crashes": crashes, "history": attempts(*outcomes)}
    history.rest(row("a", state, options=Options(max_attempts=3), **told))
    assert names(history.only(kind, exact=False).records) == ["Rows"]


def test_a_row_that_has_forgotten_attempts_is_not_judged() -> None:
    history = Chronicle()
    history.rest(row("a", attempt=90, history=attempts(*["failed"] * 20)))
    assert history.is_good()
