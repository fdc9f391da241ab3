"""Which dead jobs an operator means."""

from typing import Any

import pytest
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import claimed, inserted, patched
from headrace.model.errors import InvalidOption
from headrace.model.job import Job, NewJob
from headrace.model.lifecycle import DEAD_REASONS
from headrace.model.outcome import Failure, Outcome, Raised, Refused
from headrace.model.retry import RetryPolicy
from headrace.model.selection import Selection, check_reason, selects
from headrace.model.state import State

RUNNING = claimed(inserted(NewJob("1", "pay", "money", "{}"), 1_000), "w", 2_000)
NO = Failure("ValueError", "no such order")


def dead(outcome: Outcome) -> Job:
    change = lifecycle.settle(RUNNING, outcome, RetryPolicy.none(), 0.5, budget=1)
    return patched(RUNNING, change.patch, 5_000)


DEAD = dead(Raised(NO))


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), True),
        (Selection(queue="money", task="pay", reason="exhausted", error="ValueError: no"), True),
        (Selection(queue="other"), False),
        (Selection(task="other"), False),
        (Selection(reason="permanent"), False),
        (Selection(error="ValueError"), True),
        (Selection(error=""), True),
        (Selection(error="no such order"), False),
        (Selection(finished_after=5_000), True),
        (Selection(finished_after=5_001), False),
        (Selection(finished_before=5_001), True),
        (Selection(finished_before=5_000), False),
        (Selection(finished_after=5_000, finished_before=5_001), True),
        (Selection(error="ValueError", finished_before=1), False),
    ],
)
def test_every_condition_must_pass(selection: Selection, meant: bool) -> None:
    assert selects(selection, DEAD) is meant


@pytest.mark.parametrize("state", sorted(set(State) - {State.DEAD}))
def test_only_dead_jobs_are_meant(state: State) -> None:
    assert not selects(Selection(), replace(DEAD, state=state))


def test_a_job_without_an_error_begins_with_nothing() -> None:
    assert not selects(Selection(error="V"), replace(DEAD, history=()))
    assert selects(Selection(error=""), replace(DEAD, history=()))


def test_queue_and_task_are_what_a_storage_can_tell() -> None:
    assert Selection("q", "t").is_plain
    for more in ({"reason": "poison"}, {"error": ""}, {"finished_after": 0}, {"finished_before": 0}):
        assert not Selection("q", "t", **more).is_plain  # type: ignore[arg-type]


def test_the_reasons_are_those_that_the_state_machine_gives() -> None:
    parked = replace(RUNNING, parked_at=0)
    given = {dead(outcome).reason for outcome in (Raised(NO), Raised(NO, final=True), Refused(NO))}
    given.add(lifecycle.lapse(replace(RUNNING, alone=True), 0.5, budget=1).patch.reason)
    given.add(lifecycle.park(parked, grace=0).patch.reason)
    assert given == DEAD_REASONS
    assert {check_reason(reason) for reason in DEAD_REASONS} == DEAD_REASONS


@pytest.mark.parametrize("reason", ["", "Poison", "failed", None, 5, ["poison"]], ids=str)
def test_a_mistyped_reason_is_refused(reason: Any) -> None:
    with pytest.raises(InvalidOption, match="must be one of exhausted, given_up, permanent, poison, unknown_task"):
        check_reason(reason)
