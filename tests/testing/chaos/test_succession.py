"""Whoever was taken over is told no more that anything was done."""

from collections.abc import Sequence

from headrace.model.state import State
from headrace.testing.chaos.sole.succession import object_to_the_fenced, without_late_beats
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Enqueued,
    Enqueueing,
    Leased,
    NotEnqueued,
    Ordered,
    Ordering,
    Settled,
    Wanted,
)

OWNS = [
    Leased(at=100, process="sole-1.worker", worker="w1", until=2_000),
    Leased(at=1_000, process="sole-2.worker", worker="w2", until=3_000),
]


def promise(asked_at: int, at: int, process: str = "sole-1.producer") -> Sequence[AnyRecord]:
    jobs = [Wanted(id="a", task="work", queue="default")]
    return [
        Enqueueing(at=asked_at, process=process, call=7, jobs=jobs),
        Enqueued(at=at, process=process, call=7, answers=[Answer("a")]),
    ]


def test_a_promise_of_a_fenced_owner_is_objected_to() -> None:
    (objection,) = object_to_the_fenced([*OWNS, *promise(1_500, 1_501)])
    assert "sole-1.producer" in objection
    assert "by 1000" in objection


def test_what_was_asked_for_before_may_be_answered_late() -> None:
    assert not object_to_the_fenced([*OWNS, *promise(990, 1_501)])
    assert not object_to_the_fenced([*OWNS, *promise(1_500, 1_501, "sole-2.producer")])


def test_refusals_are_right() -> None:
    asking, _ = promise(1_500, 1_501)
    refused = NotEnqueued(at=1_501, process="sole-1.producer", call=7, error="StoreOwned", certain=True)
    assert not object_to_the_fenced([*OWNS, asking, refused])


def test_a_command_and_a_change_count_as_well() -> None:
    ordering = Ordering(at=1_500, process="sole-1.operator", call=3, command="cancel", jobs=["a"])
    ordered = Ordered(at=1_510, process="sole-1.operator", call=3, command="cancel", done=["a"])
    settled = Settled(
        at=1_500, process="sole-1.worker", worker="w1", job="a", generation=1, state=State.COMPLETED, applied=True
    )
    assert len(object_to_the_fenced([*OWNS, ordering, ordered, settled])) == 2


def test_what_a_fenced_owner_tells_its_worker_is_no_lease() -> None:
    late = Leased(at=1_100, process="sole-1.worker", worker="w1", until=3_100)
    assert without_late_beats([*OWNS, late]) == OWNS
