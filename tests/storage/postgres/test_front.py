"""What a handle knows of the front of a queue's line, and what it looks at."""

from msgspec.structs import replace

from headrace.model.change import inserted
from headrace.model.job import Job, NewJob
from headrace.storage.contract import Demand
from headrace.storage.postgres.front import WHOLE, Front, Stretch

DEMAND = Demand("q", 2)
FAR = 100_000


def job(number: int, priority: int = 1000) -> Job:
    return replace(inserted(NewJob(f"{number:032x}", "t", "q", "{}"), 5), priority=priority, due_at=number)


def test_all_of_a_line_while_claims_walk_no_further_than_they_must() -> None:
    front = Front()
    assert front.stretches("q", 0.0) is WHOLE
    front.note(DEMAND, [job(1), job(2)], 2, 0.0)
    assert front.stretches("q", 0.0) is WHOLE


def test_after_a_long_walk_what_lies_behind_the_last_job_and_all_other_priorities() -> None:
    front = Front()
    front.note(DEMAND, [job(2), job(1)], FAR, 0.0)
    nothing = "00000000-0000-0000-0000-000000000000"
    assert front.stretches("q", 0.9) == [
        Stretch(0, 999, -1, nothing),
        Stretch(1000, 1000, 2, job(2).id),
        Stretch(1001, 32_767, -1, nothing),
    ]
    assert front.stretches("other", 0.9) is WHOLE


def test_the_first_and_the_last_priority_have_nothing_beyond_them() -> None:
    for priority in (0, 32_767):
        front = Front()
        front.note(DEMAND, [job(1, priority)], FAR, 0.0)
        assert len(front.stretches("q", 0.0)) == 2


def test_the_whole_line_again_a_second_later() -> None:
    front = Front()
    front.note(DEMAND, [job(1), job(2)], FAR, 0.0)
    front.note(DEMAND, [job(3), job(4)], 2, 0.5)
    assert front.stretches("q", 0.99)[1].due_at == 4
    assert front.stretches("q", 1.0) is WHOLE
    front.note(DEMAND, [job(5), job(6)], 2, 1.0)
    assert front.stretches("q", 1.0) is WHOLE, "the way is short again"


def test_the_whole_line_where_there_was_too_little_behind_the_front() -> None:
    front = Front()
    front.note(DEMAND, [job(1), job(2)], FAR, 0.0)
    front.note(DEMAND, [job(3)], 1, 0.1)
    assert front.is_whole("q", 0.1)


def test_a_line_that_is_empty_after_a_long_walk_is_not_walked_again_at_once() -> None:
    front = Front()
    front.note(DEMAND, [job(1), job(2)], 2, 0.0)
    front.note(DEMAND, [], FAR, 0.1)
    assert not front.is_whole("q", 0.5)
    assert front.is_whole("q", 1.2)
