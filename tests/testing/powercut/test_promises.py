"""What was promised, compared with what is there."""

from typing import Any

import pytest
from msgspec.structs import replace

from headrace.model.change import inserted
from headrace.model.job import Job, NewJob
from headrace.model.state import State
from headrace.testing.powercut.promises import Promises

SAID = """\
inserting a b
inserted a b
refused r
claimed a:1 b:1
settling a:completed
settled a:completed
putting 2
put 2
"""


def job(job_id: str, state: str = "pending", generation: int = 0) -> Job:
    new = NewJob(id=job_id, task="t", queue="q", payload="{}")
    return replace(inserted(new, 0), state=State(state), generation=generation)


DONE, HELD = job("a", "completed", 1), job("b", "running", 1)


def compare(*jobs: Job, count: int = 2, said: str = SAID) -> Any:
    promises = Promises()
    promises.hear(said)
    return promises.compare({job.id: job for job in jobs}, count)


def test_all_that_was_promised_is_there() -> None:
    after = compare(DONE, HELD)
    assert (after.lost, after.ghosts, after.holes, after.damaged) == ([], [], [], None)
    assert after.promised == 5


@pytest.mark.parametrize(
    ("jobs", "count", "lost"),
    [
        ((DONE,), 2, "b is gone"),
        ((job("a", "running", 1), HELD), 2, "a is running at generation 1"),
        ((DONE, job("b")), 2, "b is pending at generation 0"),
        ((DONE, HELD), 1, "count is 1, not 2"),
    ],
)
def test_what_is_lost(jobs: tuple[Job, ...], count: int, lost: str) -> None:
    assert compare(*jobs, count=count).lost == [lost]


@pytest.mark.parametrize(
    ("jobs", "count", "ghost"),
    [
        ((DONE, HELD, job("r")), 2, "r was refused"),
        ((DONE, HELD, job("x")), 2, "x was never asked for"),
        ((DONE, job("b", "completed", 1)), 2, "b is completed for nothing"),
        ((DONE, HELD), 3, "count is 3, not yet 2"),
    ],
)
def test_what_must_not_be_there(jobs: tuple[Job, ...], count: int, ghost: str) -> None:
    assert compare(*jobs, count=count).ghosts == [ghost]


def test_what_was_asked_for_and_not_answered_may_be_there_or_not() -> None:
    said = SAID + "inserting c\nsettling b:dead\ndeleting a\nputting 3\n"
    for jobs, count in [((DONE, HELD), 2), ((HELD,), 3), ((job("b", "dead", 1), job("c")), 2)]:
        after = compare(*jobs, count=count, said=said)
        assert (after.lost, after.ghosts) == ([], [])


def test_what_was_deleted_does_not_come_back() -> None:
    assert compare(DONE, HELD, said=SAID + "deleting a\ndeleted a\n").lost == ["a is back"]


def test_a_hole_is_what_is_gone_before_something_that_stayed() -> None:
    said = SAID + "inserting c\ninserted c\n"
    assert compare(DONE, HELD, said=said).holes == []
    assert compare(DONE, job("c"), said=said).holes == ["b is gone, and what was begun later is there"]
