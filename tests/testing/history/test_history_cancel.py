"""Cancelled jobs don't start."""

import pytest
from chronicle import Chronicle, names, row

from headrace.model.state import State
from headrace.testing.history.verdict import Kind


def cancelled() -> Chronicle:
    history = Chronicle()
    history.enqueue("a")
    history.order("cancel", "a")
    return history


def test_a_job_that_was_cancelled_while_it_waited_stays_so() -> None:
    history = cancelled()
    history.rest(row("a", State.CANCELLED, generation=0, attempt=0))
    assert history.is_good()


def test_a_job_that_was_cancelled_while_it_waited_is_not_given_out() -> None:
    history = cancelled()
    history.grant("a")
    violation = history.only(Kind.CANCEL)
    assert violation.what == "a was cancelled at 1004, and was given to w1 under generation 1 at 1005"
    assert names(violation.records) == ["Ordering", "Ordered", "Granted"]


@pytest.mark.parametrize("exact", [True, False])
def test_a_job_that_was_cancelled_does_not_run(exact: bool) -> None:
    history = cancelled()
    history.now = 2_000
    history.grant("a", started_at=2_000)
    history.start("a")
    assert history.only(Kind.CANCEL, exact=exact).what.endswith(", and ran")


def test_a_job_that_was_cancelled_while_it_waited_ends_so() -> None:
    history = cancelled()
    history.rest(row("a", State.DEAD, generation=0, attempt=1))
    assert "while it waited, and is dead at the end" in history.only(Kind.CANCEL).what


def test_a_running_job_may_complete_though_somebody_wants_it_stopped() -> None:
    history = Chronicle()
    history.grant("a")
    history.order("cancel", "a")
    history.start("a")
    history.end("a")
    history.settle("a")
    history.rest(row("a"))
    assert history.is_good()


def test_a_wish_that_came_too_late_ends_the_next_claim() -> None:
    history = Chronicle()
    history.grant("a")
    history.order("cancel", "a")
    history.settle("a", 1, State.RETRYING, reason="failed", delay=0)
    history.grant("a", 2, attempt=2, due_at=history.now)
    history.settle("a", 2, State.CANCELLED)
    history.rest(row("a", State.CANCELLED, generation=2))
    assert history.is_good()


def test_what_was_wanted_stopped_is_not_run_again() -> None:
    history = Chronicle()
    history.grant("a")
    history.order("cancel", "a")
    history.settle("a", 1, State.RETRYING, reason="failed", delay=0)
    history.grant("a", 2, attempt=2, due_at=history.now)
    history.start("a", 2, attempt=2)
    assert history.only(Kind.CANCEL)


def test_a_job_that_ended_cancelled_is_not_tried_again() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, State.CANCELLED)
    history.grant("a", 2)
    assert "a was cancelled under generation 1" in history.only(Kind.CANCEL, exact=False).what


def test_a_job_that_somebody_holds_is_not_said_to_wait() -> None:
    history = Chronicle()
    history.grant("a")
    history.order("cancel", "a", waited=True)
    violation = history.only(Kind.CANCEL)
    assert violation.what == (
        "a was cancelled at 1003 as one that waits, while w1 held it under generation 1 since 1001"
    )
    assert names(violation.records) == ["Granted", "Ordering", "Ordered"]


def test_a_command_that_did_nothing_forbids_nothing() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.order("cancel", "a", done=[])
    history.run("a")
    assert history.is_good()
