"""Dedup keys: one holder at a time, and duplicates of holders only."""

import pytest
from chronicle import Chronicle, row, wanted

from headrace.model.job import Until
from headrace.model.state import State
from headrace.testing.history.records import Answer, Wanted
from headrace.testing.history.verdict import Kind


def keyed(job: str, until: Until = Until.FINISHED, **more: object) -> Wanted:
    return wanted(job, key="k", until=until, window=10.0 if until is Until.WINDOW else None, **more)


def duplicate(history: Chronicle, job: str, holder: str, until: Until = Until.FINISHED) -> None:
    history.promise(history.ask(keyed(job, until)), Answer(holder, duplicate=True))


@pytest.mark.parametrize("until", list(Until))
def test_a_duplicate_of_the_holder_is_right(until: Until) -> None:
    history = Chronicle()
    history.enqueue(keyed("a", until))
    duplicate(history, "b", "a", until)
    history.run("a")
    history.rest(row("a"))
    assert history.is_good()
    assert history.check().counts["duplicates"] == 1


@pytest.mark.parametrize("until", list(Until))
@pytest.mark.parametrize("exact", [True, False])
def test_two_that_wait_with_one_key_are_one_too_many(until: Until, exact: bool) -> None:
    history = Chronicle()
    history.enqueue(keyed("a", until))
    history.now += 100
    history.enqueue(keyed("b", until))
    history.now += 100
    if until is Until.FINISHED:
        history.run("a")
        history.run("b")
    rows = (
        [row("a"), row("b")]
        if until is Until.FINISHED
        else [row(job, State.SCHEDULED, generation=0, attempt=0, due_at=99_999) for job in ("a", "b")]
    )
    history.rest(*rows)
    violation = history.only(Kind.DEDUP, exact=exact)
    assert violation.what == "a and b held key k of queue q at one time"


def test_a_key_is_free_once_its_job_is_final() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.run("a")
    history.enqueue(keyed("b"))
    history.run("b")
    history.rest(row("a"), row("b"))
    assert history.is_good()


def test_a_key_is_held_until_its_job_is_final() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.enqueue(keyed("b"))
    history.settle("a")
    history.run("b")
    assert history.only(Kind.DEDUP)


def test_a_key_held_until_a_claim_is_free_after_it() -> None:
    history = Chronicle()
    history.enqueue(keyed("a", Until.CLAIMED))
    history.grant("a")
    history.enqueue(keyed("b", Until.CLAIMED))
    history.grant("b")
    assert history.is_good()


def test_a_window_ends_with_its_time_only() -> None:
    history = Chronicle()
    history.enqueue(keyed("a", Until.WINDOW))
    history.run("a")
    history.now = 1_001 + 10_000 - 3
    history.enqueue(keyed("b", Until.WINDOW))
    assert history.only(Kind.DEDUP)
    history.records[-2:] = []
    history.now = 1_002 + 10_000
    history.enqueue(keyed("b", Until.WINDOW))
    assert history.is_good()


def test_of_two_calls_at_one_time_one_wins() -> None:
    history = Chronicle()
    first, second = history.ask(keyed("a"), process="p1"), history.ask(keyed("b"), process="p2")
    history.promise(second, "b", process="p2")
    history.promise(first, Answer("b", duplicate=True), process="p1")
    history.run("b")
    history.rest(row("b"))
    assert history.is_good()


def test_of_two_calls_at_one_time_not_both_win() -> None:
    history = Chronicle()
    first, second = history.ask(keyed("a"), process="p1"), history.ask(keyed("b"), process="p2")
    history.promise(second, "b", process="p2")
    history.promise(first, "a", process="p1")
    history.run("a")
    history.run("b")
    assert history.only(Kind.DEDUP)


def test_one_that_may_not_have_been_there_proves_nothing() -> None:
    history = Chronicle()
    history.ask(keyed("a"))
    history.enqueue(keyed("b"))
    history.run("b")
    history.rest(row("b"))
    assert history.is_good()


def test_a_deleted_holder_gives_its_key_up() -> None:
    history = Chronicle()
    history.enqueue(keyed("a", Until.WINDOW))
    history.order("delete", "a")
    history.enqueue(keyed("b", Until.WINDOW))
    assert history.is_good()


@pytest.mark.parametrize("exact", [True, False])
def test_a_duplicate_of_a_job_that_had_ended_is_none(exact: bool) -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.run("a")
    ended = history.now
    history.now += 100
    duplicate(history, "b", "a")
    history.rest(row("a", finished_at=ended))
    assert "which had given up key k of queue q before" in history.only(Kind.DEDUP, exact=exact).what


def test_a_duplicate_of_a_job_that_was_claimed_is_none() -> None:
    history = Chronicle()
    history.enqueue(keyed("a", Until.CLAIMED))
    history.grant("a")
    duplicate(history, "b", "a", Until.CLAIMED)
    assert history.only(Kind.DEDUP)


def test_a_duplicate_of_a_job_whose_window_has_ended_is_none() -> None:
    history = Chronicle()
    history.enqueue(keyed("a", Until.WINDOW))
    history.now = 12_000
    duplicate(history, "b", "a", Until.WINDOW)
    assert history.only(Kind.DEDUP)


def test_a_duplicate_of_a_job_that_an_operator_sent_back_is_right() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.settle("a", 1, State.DEAD, reason="permanent")
    history.order("retry", "a")
    duplicate(history, "b", "a")
    assert history.is_good()


def test_a_duplicate_of_nobody_is_none() -> None:
    history = Chronicle()
    duplicate(history, "b", "a")
    assert history.only(Kind.DEDUP).what.endswith("which nobody asked for with key k of queue q")


def test_a_duplicate_of_a_job_with_another_key_is_none() -> None:
    history = Chronicle()
    history.enqueue(wanted("a", key="other"))
    duplicate(history, "b", "a")
    assert history.only(Kind.DEDUP)


def test_a_duplicate_of_a_duplicate_is_none() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    duplicate(history, "b", "a")
    duplicate(history, "c", "b")
    assert history.only(Kind.DEDUP).what.endswith("which is a duplicate itself and holds no key")


def test_a_duplicate_of_a_job_that_was_asked_for_later_is_none() -> None:
    history = Chronicle()
    duplicate(history, "b", "a")
    history.now += 100
    history.enqueue(keyed("a"))
    assert history.only(Kind.DEDUP).what.endswith("which was asked for only afterwards")


def test_a_key_holds_in_its_queue_only() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.enqueue(keyed("b", queue="other"))
    assert history.is_good()


def test_a_job_that_was_sent_back_and_waits_at_the_end_did_not_hold_its_key_all_the_time() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.settle("a", 1, State.DEAD, reason="permanent")
    history.enqueue(keyed("b"))
    history.run("b")
    history.order("retry", "a")
    history.rest(row("a", State.RETRYING, due_at=99_999), row("b"))
    assert history.is_good()


def test_a_job_that_was_sent_back_and_ended_again_did_not_either() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.settle("a", 1, State.DEAD, reason="permanent")
    history.enqueue(keyed("b"))
    history.run("b")
    history.order("retry", "a")
    history.now += 100
    history.run("a", 2)
    history.rest(row("a", generation=2, finished_at=history.now), row("b"))
    assert history.is_good()


def test_a_key_is_given_up_when_its_completion_is_committed_which_may_take_a_while() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.start("a")
    history.end("a")
    ended = history.now
    history.settle("a", 1, State.COMPLETED, answered_at=ended + 200)
    history.now += 100
    duplicate(history, "b", "a")
    history.rest(row("a", finished_at=ended))
    assert not history.check(exact=False).violations


def test_nobody_knows_when_a_completion_was_committed_whose_answer_was_lost() -> None:
    history = Chronicle()
    history.enqueue(keyed("a"))
    history.grant("a")
    history.start("a")
    history.end("a")
    ended = history.now
    history.now += 100
    duplicate(history, "b", "a")
    history.rest(row("a", finished_at=ended))
    assert history.is_good()
