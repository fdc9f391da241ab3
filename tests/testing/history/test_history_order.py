"""Order inversions. They need an exact order of the records."""

from chronicle import Chronicle, names, row, wanted

from headrace.model.state import State
from headrace.testing.history.order import PROMOTED
from headrace.testing.history.verdict import Kind


def two(**of_first: int) -> Chronicle:
    """``a`` and ``b`` wait and are due; ``b`` is given out, though ``a`` comes first."""
    history = Chronicle()
    history.enqueue(wanted("a", priority=of_first.get("priority", 100)), "b")
    history.grant("b", due_at=1_002)
    history.grant("a", due_at=of_first.get("due_at", 1_002), priority=of_first.get("priority", 100), worker="w2")
    return history


def test_jobs_in_order_of_priority_due_time_and_id() -> None:
    history = Chronicle()
    history.enqueue("c", "b", wanted("a", priority=500), wanted("d", priority=1))
    history.grant("d", priority=1, due_at=1_002)
    history.grant("b", due_at=1_002)
    history.grant("c", due_at=1_002)
    history.grant("a", priority=500, due_at=1_002)
    assert history.is_good()


def test_a_later_id_before_an_earlier_one_is_an_inversion() -> None:
    violation = two().only(Kind.INVERSION)
    assert violation.what == (
        "b (priority 100, due at 1002) was given to w1 at 1003, "
        "while a (priority 100, due at 1002) waited in q since 1002"
    )
    assert names(violation.records) == ["Enqueueing", "Enqueued", "Granted", "Granted"]
    assert two().check().is_good


def test_a_later_due_time_before_an_earlier_one_is_an_inversion() -> None:
    assert two(due_at=1_001).only(Kind.INVERSION)


def test_a_lower_number_goes_first() -> None:
    assert two(priority=1).only(Kind.INVERSION)
    assert two(priority=101).is_good()


def test_a_job_that_is_not_due_yet_waits_rightly() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", delay=5.0, priority=1), "b")
    history.grant("b", due_at=1_002)
    history.now = 7_000
    history.grant("a", due_at=6_001, priority=1)
    assert history.is_good()


def test_a_job_that_has_come_due_goes_by_its_priority() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", delay=5.0, priority=1), "b")
    history.now = 7_000
    history.grant("b", due_at=1_002)
    history.grant("a", due_at=6_001, priority=1, worker="w2")
    assert history.only(Kind.INVERSION)


def test_more_that_have_come_due_than_one_claim_makes_pending_prove_nothing() -> None:
    history = Chronicle()
    delayed = [wanted(f"late-{number:03}", delay=5.0, priority=1) for number in range(PROMOTED + 1)]
    history.enqueue(*delayed, "b")
    history.now = 7_000
    history.grant("b", due_at=1_002)
    for job in delayed:
        history.grant(job.id, due_at=6_001, priority=1, worker="w2")
    assert history.is_good()


def test_what_comes_with_one_claim_is_in_no_order() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.grant("b", due_at=1_002, at=1_003)
    history.grant("a", due_at=1_002, at=1_003)
    assert history.is_good()


def test_a_job_that_was_not_promised_yet_proves_nothing() -> None:
    history = Chronicle()
    call = history.ask("a")
    history.enqueue("b")
    history.grant("b", due_at=1_003)
    history.promise(call, "a")
    history.grant("a", due_at=1_002)
    assert history.is_good()


def test_a_job_that_an_operator_touched_proves_nothing() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.order("cancel", "a", done=[])
    history.grant("b", due_at=1_002)
    history.grant("a", due_at=1_002, worker="w2")
    assert history.is_good()


def test_other_queues_have_an_order_of_their_own() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", queue="other"), "b")
    history.grant("b", due_at=1_002)
    history.grant("a", due_at=1_002, queue="other")
    assert history.is_good()


def test_a_job_that_was_handed_back_keeps_its_place() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.grant("a", due_at=1_002)
    history.settle("a", 1, State.PENDING, reason="interrupted")
    history.grant("b", due_at=1_002)
    history.grant("a", 2, due_at=1_002, worker="w2")
    violation = history.only(Kind.INVERSION)
    assert "waited in q since 1004" in violation.what


def test_a_job_that_is_left_to_the_end_was_passed_over() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.run("b", due_at=1_002)
    history.rest(row("a", State.PENDING, generation=0, attempt=0, due_at=9_999), row("b"))
    assert history.is_good()
    history.records.pop()
    history.rest(row("a", State.PENDING, generation=0, attempt=0, due_at=1_002), row("b"))
    assert [violation.kind for violation in history.check(exact=True).violations] == [Kind.LOST, Kind.INVERSION]
