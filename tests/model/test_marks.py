"""What a pair of marks means for what comes next, and what a running job becomes on its way."""

import pytest

from headrace.model import lifecycle
from headrace.model.change import Held, carried, claimed, inserted, passes, patched, reclaimed
from headrace.model.errors import MoveRefused
from headrace.model.job import NewJob
from headrace.model.mark import Mark, Progress, Role, decode_mark, refusal
from headrace.model.moving import Step, next_step
from headrace.model.state import State

SOURCE = Mark(Role.SOURCE, "B", "m")
MOVED = Mark(Role.SOURCE, "B", "m", Progress.MOVED)
TARGET = Mark(Role.TARGET, "A", "m", cursor="c")


@pytest.mark.parametrize(
    ("its", "theirs", "step"),
    [
        (None, None, Step.BEGIN),
        (None, TARGET, Step.BEGIN),
        (SOURCE, TARGET, Step.CARRY),
        (MOVED, TARGET, Step.FINISH),
        (MOVED, None, Step.NOTHING),
    ],
)
def test_what_comes_next(its: Mark | None, theirs: Mark | None, step: Step) -> None:
    assert next_step("A", its, "B", theirs) is step


@pytest.mark.parametrize(
    ("its", "theirs", "why"),
    [
        (None, Mark(Role.TARGET, "C", "n"), "is being filled from C"),
        (SOURCE, None, "is being moved to B, of which B knows nothing"),
        (SOURCE, Mark(Role.TARGET, "A", "other"), "is being moved to B"),
        (Mark(Role.SOURCE, "C", "m"), None, "is being moved to C"),
        (Mark(Role.SOURCE, "C", "m", Progress.MOVED), None, "was moved to C already"),
        (Mark(Role.TARGET, "C", "m"), None, "is itself being filled from C"),
        (None, SOURCE, "was moved itself"),
        (None, MOVED, "was moved itself"),
        (TARGET, TARGET, "is itself being filled"),
    ],
)
def test_what_is_in_the_way(its: Mark | None, theirs: Mark | None, why: str) -> None:
    with pytest.raises(MoveRefused, match=why):
        next_step("A", its, "B", theirs)


@pytest.mark.parametrize("mark", [SOURCE, MOVED, TARGET])
def test_a_mark_is_read_as_it_was_written_and_names_the_other_store(mark: Mark) -> None:
    assert decode_mark(mark.encode()) == mark
    assert f" {mark.other}, " in refusal(mark)


def test_a_running_job_goes_over_as_one_that_was_handed_back() -> None:
    waiting = inserted(NewJob("1", "t", "q", "{}", key="k"), 5)
    held = claimed(waiting, "w", 7)
    handed_back = patched(held, lifecycle.hand_back(held).patch, 9)
    for running in (held, patched(held, lifecycle.stamp_alone(held).patch, 8), reclaimed(held, "v")):
        there = carried(running)
        assert there.state is State.PENDING
        assert (there.attempt, there.due_at, there.key) == (0, handed_back.due_at, "k")
        assert (there.worker, there.alone, there.rescued) == (running.worker, False, False)
        assert there.generation == running.generation + 1
        assert not passes(Held(running.worker or "", running.generation), there)
        assert carried(there) == there
    for still in (waiting, handed_back):
        assert carried(still) is still


def test_a_wish_to_cancel_goes_along() -> None:
    held = claimed(inserted(NewJob("1", "t", "q", "{}"), 5), "w", 7)
    change = lifecycle.cancel(held)
    assert change is not None
    assert carried(patched(held, change.patch, 8)).cancel_requested
