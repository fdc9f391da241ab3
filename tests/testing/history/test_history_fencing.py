"""Stale writes, and jobs that end twice."""

from chronicle import Chronicle, names, row

from headrace.model.state import State
from headrace.testing.history.verdict import Kind


def rescued() -> Chronicle:
    """Its first worker vanished; a rescuer put the job back."""
    history = Chronicle()
    history.enqueue("a")
    history.grant("a", 1, worker="w1")
    history.start("a", 1)
    history.grant("a", 2, worker="w2", rescued=True)
    history.settle("a", 2, State.RETRYING, worker="w2", reason="crashed", delay=0)
    history.grant("a", 3, worker="w2", crashes=1, due_at=history.now)
    return history


def finish(history: Chronicle, generation: int = 3) -> None:
    history.settle("a", generation, worker="w2")
    history.rest(row("a", generation=generation, worker="w2", crashes=0))


def test_a_refused_write_of_a_vanished_worker_is_as_it_should_be() -> None:
    history = rescued()
    history.end("a", 1)
    history.settle("a", 1, applied=False)
    history.settle("a", 3, worker="w2")
    assert history.is_good()
    counts = history.check().counts
    assert (counts["stale_writes_refused"], counts["rescues"], counts["claims"]) == (1, 1, 2)


def test_a_write_of_a_vanished_worker_that_was_let_through_is_stale() -> None:
    for exact in (True, False):
        history = rescued()
        history.settle("a", 1, State.RETRYING, worker="w1", reason="failed", delay=0)
        violation = history.only(Kind.STALE_WRITE, exact=exact)
        assert "a by w1 under generation 1 was let through at 1008, though generation 2" in violation.what
        assert names(violation.records) == ["Granted", "Settled"]
        assert history.check(exact=exact).counts["stale_writes_accepted"] == 1


def test_whoever_is_behind_a_rescue_is_stale_whatever_the_order_of_the_records() -> None:
    history = Chronicle()
    history.settle("a", 1)
    history.grant("a", 1)
    history.grant("a", 2, worker="w2", rescued=True)
    assert history.only(Kind.STALE_WRITE, exact=False)


def test_a_note_of_an_overtaken_worker_is_stale() -> None:
    history = rescued()
    history.settle("a", 1, None)
    assert "a note of a by w1" in history.only(Kind.STALE_WRITE).what


def test_a_write_by_another_worker_under_a_generation_is_stale() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", worker="w9")
    violation = history.only(Kind.STALE_WRITE, exact=False)
    assert violation.what.endswith("which was given to w1")


def test_a_write_under_a_generation_that_was_never_given_out_is_stale() -> None:
    history = Chronicle()
    history.settle("a", 4)
    assert history.only(Kind.STALE_WRITE).what.endswith("which was never given out")
    assert not history.check().violations


def test_a_second_write_under_one_generation_is_stale() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, State.RETRYING, reason="failed", delay=0)
    history.settle("a", 1, State.SCHEDULED, reason="snoozed", delay=0)
    assert "after its change to retrying at 1002" in history.only(Kind.STALE_WRITE, exact=False).what


def test_a_repeated_write_whose_first_answer_was_lost_is_refused() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", heard=False)
    history.settle("a", applied=False)
    history.rest(row("a"))
    assert history.is_good()


def test_a_completion_that_its_row_knows_nothing_of_is_stale() -> None:
    history = Chronicle()
    history.settle("a", 1)
    history.rest(row("a", generation=3))
    assert "its row is completed under generation 3" in history.only(Kind.STALE_WRITE, exact=False).what


def test_a_completion_by_another_worker_than_its_row_says_is_stale() -> None:
    history = Chronicle()
    history.settle("a", 1, worker="w2")
    history.rest(row("a", worker="w1"))
    assert history.only(Kind.STALE_WRITE, exact=False).what.endswith("its row is completed under generation 1 of w1")


def test_a_generation_that_fell_is_a_stale_write() -> None:
    history = Chronicle()
    history.start("a", 3)
    history.rest(row("a", generation=2))
    violation = history.only(Kind.STALE_WRITE, exact=False)
    assert violation.what == "a was given out under generation 3, and its row is at 2"


def test_two_completions_are_one_too_many() -> None:
    for exact in (True, False):
        history = Chronicle()
        history.run("a")
        history.settle("a")
        violation = history.only(Kind.DOUBLE_COMPLETION, exact=exact)
        told = "completed under generation 1 at 1004, completed under generation 1 at 1005"
        assert violation.what == f"a came to its end 2 times: {told}"
        assert names(violation.records) == ["Settled", "Settled"]
        assert history.check().counts["double_completions"] == 1


def test_a_job_that_an_operator_sent_back_may_end_again() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, State.DEAD, reason="permanent")
    history.order("retry", "a")
    history.grant("a", 2)
    history.settle("a", 2, State.DEAD, reason="permanent")
    assert history.is_good()
    history.order("retry", "a", done=[])
    history.grant("a", 3)
    history.settle("a", 3)
    assert history.is_good()


def test_a_job_that_ends_once_more_than_it_was_sent_back_ends_twice() -> None:
    history = Chronicle()
    history.grant("a")
    history.settle("a", 1, State.DEAD, reason="permanent")
    history.order("retry", "a")
    history.grant("a", 2)
    history.settle("a", 2, State.DEAD, reason="permanent")
    history.settle("a", 2, State.COMPLETED)
    violation = history.only(Kind.DOUBLE_COMPLETION)
    assert "3 times, sent back 1 times" in violation.what
    assert names(violation.records) == ["Settled", "Ordering", "Settled", "Settled"]


def test_a_completed_job_that_is_given_out_again_is_a_ghost() -> None:
    history = Chronicle()
    history.run("a")
    history.grant("a", 2, worker="w2")
    assert "was given out again under generation 2 to w2" in history.only(Kind.GHOST).what


def test_a_job_that_was_deleted_and_asked_for_again_begins_anew() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.order("delete", "a")
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"))
    assert history.is_good()
