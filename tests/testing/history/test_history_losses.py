"""Lost jobs, ghosts, and jobs that are stuck."""

from chronicle import Chronicle, names, row, wanted

from headrace.model.state import State
from headrace.testing.history.records import Healed, Removed
from headrace.testing.history.verdict import Kind


def test_a_job_that_was_promised_and_completed_is_not_lost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"))
    assert history.is_good()
    counts = history.check().counts
    assert (counts["acknowledged"], counts["lost"], counts["completions"]) == (1, 0, 1)


def test_a_promised_job_that_is_nowhere_is_lost() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.run("b")
    history.rest(row("b"))
    violation = history.only(Kind.LOST)
    assert violation.what == "a was promised at 1002 and is nowhere at the end, at 1007"
    assert names(violation.records) == ["Enqueueing", "Enqueued", "Rows"]
    asked, told, rows = violation.records
    assert ([one.id for one in asked.jobs], [one.id for one in told.answers], list(rows.jobs)) == (["a"], ["a"], [])
    assert history.check().counts["lost"] == 1


def test_a_promised_job_that_is_not_final_at_the_end_is_lost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.grant("a")
    history.rest(row("a", State.RUNNING))
    assert "a was promised at 1002 and is running" in history.only(Kind.LOST).what


def test_a_job_that_was_given_out_and_is_nowhere_is_lost_though_nobody_was_promised_it() -> None:
    history = Chronicle()
    history.ask("a")
    history.run("a")
    history.rest()
    assert history.only(Kind.LOST, exact=False).what == "a was given out at 1002 and is nowhere at the end, at 1006"


def test_a_job_that_is_due_later_is_not_lost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.rest(row("a", State.SCHEDULED, generation=0, attempt=0, due_at=99_999))
    assert history.is_good()


def test_a_job_that_an_operator_deleted_is_not_lost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.order("delete", "a")
    history.rest()
    assert history.is_good()


def test_a_final_job_that_was_removed_is_not_lost_and_a_running_one_is() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.tell(Removed, number=1)
    history.rest()
    assert history.is_good()
    history = Chronicle()
    history.enqueue("a")
    history.grant("a")
    history.tell(Removed, number=1)
    history.rest()
    assert "nowhere" in history.only(Kind.LOST).what


def test_a_job_whose_call_was_not_answered_may_be_there_or_not() -> None:
    for exists in (True, False):
        for answered in (True, False):
            history = Chronicle()
            call = history.ask("a")
            if answered:
                history.refuse(call, certain=False)
            if exists:
                history.run("a")
            history.rest(*([row("a")] if exists else []))
            assert history.is_good()


def test_a_job_that_was_asked_for_again_is_one_job() -> None:
    history = Chronicle()
    history.refuse(history.ask("a"), certain=False)
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"))
    assert history.is_good()
    assert history.check().counts["asked"] == 1


def test_a_row_that_nobody_asked_for_is_a_ghost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"), row("b", State.PENDING))
    violation = history.only(Kind.GHOST, exact=False)
    assert violation.what == "b is in the store at the end, and nobody asked for it"
    assert names(violation.records) == ["Rows"]


def test_a_job_whose_every_call_was_refused_is_a_ghost() -> None:
    history = Chronicle()
    history.refuse(history.ask("a"), certain=True)
    history.start("a")
    violation = history.only(Kind.GHOST)
    assert violation.what == "a ran at 1003, and the calls that asked for it left nothing"
    assert names(violation.records) == ["Enqueueing", "NotEnqueued", "Started"]


def test_where_nobody_says_what_is_asked_for_there_are_no_ghosts() -> None:
    history = Chronicle()
    history.run("a")
    history.rest(row("a"))
    assert history.is_good()


def test_a_job_that_ran_with_another_payload_is_a_ghost() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", payload='{"number": 1}'))
    history.grant("a")
    history.start("a", payload='{"number":1}')
    assert history.is_good()
    history.start("a", 2, payload='{"number":2}')
    assert history.only(Kind.GHOST).what == 'a ran at 1005 with {"number":2}; {"number": 1} was asked for'


def test_a_row_with_another_payload_is_a_ghost() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", payload='{"number":1}'))
    history.run("a")
    history.rest(row("a", payload='{"number":2}'))
    assert "at the end" in history.only(Kind.GHOST).what


def test_a_job_that_nobody_was_promised_is_stuck_where_it_is_not_final() -> None:
    history = Chronicle()
    history.ask("a")
    history.tell(Healed)
    history.rest(row("a", State.PENDING, generation=0, attempt=0))
    assert "a is pending at the end" in history.only(Kind.STUCK).what


def test_a_job_that_ends_too_late_is_stuck() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.tell(Healed)
    history.run("a")
    history.rest(row("a", finished_at=9_003))
    assert history.is_good()
    assert history.is_good(patience=8_000)
    assert "8000 ms after it could" in history.only(Kind.STUCK, patience=5_000).what
