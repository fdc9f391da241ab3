"""Ticks: each brings one job."""

from chronicle import Chronicle, row

from headrace.model.job import Job, NewJob
from headrace.model.schedule import Schedule, job_of
from headrace.testing.history.records import Removed, Scheduled
from headrace.testing.history.verdict import Kind

BEACON = Schedule("beacon", NewJob("", "work", "q", "{}"), every=10.0)


def tick(job: str, at: int) -> Job:
    return row(job, options=job_of(BEACON, at, job).options)


def schedule(*ticks: int) -> Chronicle:
    history = Chronicle()
    history.tell(Scheduled, at=1_000, schedule="beacon", ticks=ticks)
    history.now = 60_000
    return history


def test_a_job_for_each_tick() -> None:
    history = schedule(10_000, 20_500)
    history.rest(tick("a", 10_000), tick("b", 20_500))
    assert history.is_good()


def test_a_tick_without_a_job() -> None:
    history = schedule(10_000, 20_000)
    history.rest(tick("a", 10_000))
    violation = history.only(Kind.TICKS, exact=False)
    assert violation.what == "tick 20000 of schedule beacon brought no job"


def test_a_tick_with_two_jobs() -> None:
    history = schedule(10_000)
    history.rest(tick("a", 10_000), tick("b", 10_000))
    violation = history.only(Kind.TICKS, exact=False)
    assert violation.what == "tick 10000 of schedule beacon brought 2 jobs: a, b"


def test_a_job_for_no_tick() -> None:
    history = schedule(10_000, 20_000)
    history.rest(tick("a", 10_000), tick("b", 15_000), tick("c", 20_000))
    assert "b came at 15000, which is no tick" in history.only(Kind.TICKS, exact=False).what


def test_a_tick_just_before_the_end_may_be_under_way() -> None:
    history = schedule(10_000, 59_000)
    history.rest(tick("a", 10_000))
    assert history.is_good()


def test_a_tick_whose_job_may_have_been_removed_is_not_missed() -> None:
    history = schedule(10_000, 20_000)
    history.tell(Removed, number=1)
    history.rest(tick("a", 10_000))
    assert history.is_good()


def test_what_is_told_later_of_a_schedule_replaces_what_lies_after_it() -> None:
    history = schedule(10_000, 20_000)
    history.tell(Scheduled, at=15_000, schedule="beacon", ticks=[25_000])
    history.now = 60_000
    history.rest(tick("a", 10_000), tick("b", 25_000))
    assert history.is_good()
