"""The tally by itself: batches of every shape, and samples of many attempts that stand for all."""

import math
from collections.abc import Sequence
from typing import Any, cast

import pytest

from headrace.model.change import APPLIED, STALE, Change, Ended, Held, Patch, Verdict, claimed, inserted
from headrace.model.job import Job, NewJob
from headrace.model.metric import Activity, Counts, latency, percentile
from headrace.model.state import State
from headrace.runtime.attempt import Attempt
from headrace.runtime.completer import Settlement
from headrace.runtime.tally import Tally
from headrace.system.ids import jitter_source

DONE = Patch(State.COMPLETED)
FAILED = Patch(State.RETRYING, ended=Ended("failed"), reason="failed")
BACK = Patch(State.PENDING, reason="interrupted")


def job(task: str = "t", queue: str = "q", waited: float = 0.0) -> Job:
    return claimed(inserted(NewJob("id", task, queue, "{}"), 1000), "w", 1000 + round(1000 * waited))


def attempt(one: Job, ran: float = 0.0) -> Attempt:
    made = Attempt(one, cast("Any", None), cast("Any", None))
    made.started, made.ended_at = 50.0, 50.0 + ran
    return made


def settlement(patch: Patch = DONE, of: Attempt | None = None, **about: Any) -> Settlement:
    of = attempt(job(**about)) if of is None else of
    return Settlement(of.job, Change(of.job.id, Held("w", 1), patch), of)


def settle(tally: Tally, settlements: Sequence[Settlement], verdict: Verdict = APPLIED) -> None:
    tally.settled(settlements, [verdict] * len(settlements))


def tally_of(*held: Attempt) -> Tally:
    return Tally(lambda: held)


def counts(tally: Tally) -> dict[tuple[str, str], Counts]:
    return {(queue, task): one for queue, part in tally.take().items() for task, one in part.tasks.items()}


# --- counting ---------------------------------------------------------------------------------------------------------


def test_nothing_comes_of_nothing() -> None:
    tally = tally_of()
    settle(tally, [])
    assert tally.take() == {}


def test_batches_of_mixed_tasks_and_queues_are_counted_by_both() -> None:
    tally = tally_of()
    names = [("q", "t"), ("q", "t"), ("q", "u"), ("p", "u"), ("p", "t"), ("q", "t")]
    settle(tally, [settlement(task=task, queue=queue) for queue, task in names])
    settle(tally, [settlement(FAILED, task="t"), settlement(task="t")])
    assert counts(tally) == {
        ("q", "t"): Counts(started=5, completed=4, failed=1, retried=1),
        ("q", "u"): Counts(started=1, completed=1),
        ("p", "u"): Counts(started=1, completed=1),
        ("p", "t"): Counts(started=1, completed=1),
    }
    assert tally.take() == {}


def test_what_the_fence_refused_was_started_and_nothing_more() -> None:
    tally = tally_of()
    settle(tally, [settlement(), settlement(FAILED)], STALE)
    tally.lost(attempt(job()))
    settle(tally, [settlement(BACK)])
    assert counts(tally) == {("q", "t"): Counts(started=4)}


def test_a_verdict_counts_for_its_own_job() -> None:
    tally = tally_of()
    tally.settled([settlement(task="a"), settlement(task="b"), settlement(task="c")], [APPLIED, STALE, APPLIED])
    assert counts(tally) == {
        ("q", "a"): Counts(started=1, completed=1),
        ("q", "b"): Counts(started=1),
        ("q", "c"): Counts(started=1, completed=1),
    }


def test_what_was_never_started_ends_without_a_start() -> None:
    tally = tally_of()
    one = job()
    dead = Change(one.id, Held("w", 1), Patch(State.DEAD, ended=Ended("unknown_task"), reason="unknown_task"))
    settle(tally, [Settlement(one, dead)])
    assert counts(tally) == {("q", "t"): Counts(dead=1)}


def test_attempts_count_as_started_once_whichever_look_finds_them() -> None:
    held: list[Attempt] = []
    tally = Tally(lambda: held)
    long, longer, waiting = attempt(job()), attempt(job(task="u")), attempt(job())
    waiting.started = 0.0
    held += [long, longer, waiting]
    assert counts(tally) == {("q", "t"): Counts(started=1), ("q", "u"): Counts(started=1)}
    assert tally.take() == {}
    held[:] = [longer, waiting]
    settle(tally, [settlement(of=long), settlement()])
    assert counts(tally) == {("q", "t"): Counts(started=1, completed=2)}
    waiting.started = 60.0
    assert counts(tally) == {("q", "t"): Counts(started=1)}
    held.clear()
    settle(tally, [settlement(FAILED, longer), settlement(of=waiting)])
    assert counts(tally) == {("q", "t"): Counts(completed=1), ("q", "u"): Counts(failed=1, retried=1)}


# --- measuring --------------------------------------------------------------------------------------------------------


def test_waits_are_from_due_to_claimed_and_runs_of_all_attempts() -> None:
    tally = tally_of()
    settle(tally, [settlement(of=attempt(job(waited=2.0), ran=3.0)), settlement(FAILED, attempt(job(), ran=0.5))])
    part = tally.take()["q"]
    assert (part.wait.most, part.run.most) == (2.0, 3.0)
    assert [sum(histogram.counts) for histogram in (part.wait, part.run)] == [2, 2]


def test_a_wait_is_measured_once() -> None:
    held = [attempt(job(waited=2.0))]
    tally = Tally(lambda: held)
    assert sum(tally.take()["q"].wait.counts) == 1
    settle(tally, [settlement(of=held.pop())])
    part = tally.take()["q"]
    assert (part.wait.counts, sum(part.run.counts)) == ((), 1)


def test_a_clock_that_was_stepped_back_makes_no_wait_shorter_than_none() -> None:
    tally = tally_of()
    settle(tally, [settlement(waited=-5.0)])
    assert tally.take()["q"].wait.most == 0.0


def many(total: int, batch: int, ran: Any) -> Activity:
    tally = tally_of()
    for first in range(0, total, batch):
        settle(tally, [settlement(of=attempt(job(), ran(number))) for number in range(first, first + batch)])
    return tally.take()["q"]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_where_they_are_many_some_are_measured_and_stand_for_all(batch: int) -> None:
    chance = jitter_source(5)
    runs = [-math.log(1 - chance()) for _ in range(35_000)]
    part = many(len(runs), batch, runs.__getitem__)
    assert part.tasks["t"].completed == 35_000
    assert sum(part.run.counts) == pytest.approx(35_000, abs=300)
    for share in (0.5, 0.95, 0.99):
        assert percentile(part.run, share) == pytest.approx(sorted(runs)[round(share * 35_000)], rel=0.25)


def test_few_jobs_of_one_queue_are_all_measured_beside_many_of_another() -> None:
    tally = tally_of()
    for number in range(20):
        settle(tally, [settlement(of=attempt(job(queue="busy"), 0.001)) for _ in range(1000)])
        settle(tally, [settlement(of=attempt(job(queue="quiet"), float(number)))])
    quiet = tally.take()["quiet"]
    assert sum(quiet.run.counts) == 20
    found = latency(quiet.run)
    assert found is not None
    assert found.max == 19.0
