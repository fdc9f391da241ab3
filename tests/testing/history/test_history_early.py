"""Early starts."""

from chronicle import Chronicle, names, wanted

from headrace.model.state import State
from headrace.testing.history.records import Stepped
from headrace.testing.history.verdict import Kind


def test_a_job_that_is_given_out_when_it_is_due_is_not_early() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", delay=0.5), wanted("b", due_at=1_600))
    history.now = 1_600
    history.grant("a", due_at=1_501)
    history.grant("b", due_at=1_600)
    assert history.is_good()


def test_a_job_that_is_given_out_before_it_is_due_is_early() -> None:
    history = Chronicle()
    history.grant("a", due_at=2_000)
    violation = history.only(Kind.EARLY_START, exact=False)
    assert violation.what.startswith("a was given to w1 at 1021, and is due at 2000")


def test_the_clock_of_the_store_counts_where_it_is_known() -> None:
    history = Chronicle()
    history.grant("a", due_at=2_000, started_at=2_000)
    assert history.is_good()
    history.grant("b", due_at=2_000, started_at=1_999)
    assert history.only(Kind.EARLY_START, exact=False)


def test_a_job_that_is_made_due_before_its_delay_is_over_is_early() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", delay=10.0))
    history.grant("a", due_at=1_002)
    violation = history.only(Kind.EARLY_START)
    assert violation.what == "a was given to w1 as due at 1002; it was not wanted before 11001"
    assert names(violation.records) == ["Enqueueing", "Granted"]


def test_a_job_that_is_made_due_before_its_instant_is_early() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", due_at=5_000))
    history.grant("a", due_at=1_002)
    assert history.only(Kind.EARLY_START, exact=False)


def test_an_operator_may_hasten_it() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", delay=10.0))
    history.order("run_now", "a")
    history.grant("a", due_at=1_004)
    assert history.is_good()


def test_a_retry_before_its_delay_is_over_is_early() -> None:
    for exact, bound in ((True, 3_003), (False, 3_002)):
        history = Chronicle()
        history.grant("a")
        history.end("a", outcome="raised")
        history.settle("a", 1, State.RETRYING, reason="failed", delay=2.0)
        history.now = 3_100
        due_at = bound - (1 if exact else 21)
        history.grant("a", 2, attempt=2, due_at=due_at)
        violation = history.only(Kind.EARLY_START, exact=exact)
        assert f"as due at {due_at}; it was put back for 2.0 s under generation 1" in violation.what


def test_a_retry_after_its_delay_is_not() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, State.RETRYING, reason="failed", delay=2.0)
    history.now = 3_100
    history.grant("a", 2, attempt=2, due_at=3_002)
    assert history.is_good()


def test_where_the_clock_was_stepped_due_times_are_not_judged() -> None:
    history = Chronicle()
    history.tell(Stepped)
    history.grant("a", due_at=99_999)
    assert history.is_good()
