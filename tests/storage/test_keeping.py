"""Which rule a queue goes by, and which states are swept."""

from headrace.model.state import FINAL, State
from headrace.storage.contract import Keep
from headrace.storage.keeping import Sweep, sweeps

LONG, SHORT = Keep(100, 10), Keep(1, 1)
DEAD, COMPLETED, CANCELLED = State.DEAD, State.COMPLETED, State.CANCELLED


def test_nothing_is_swept_unasked() -> None:
    assert sweeps({}, {}) == []
    assert sweeps({}, {"a": {}}) == []
    assert sweeps(dict.fromkeys(set(State) - FINAL, LONG), {"a": dict.fromkeys(set(State) - FINAL, LONG)}) == []


def test_each_state_once_in_an_order_that_does_not_depend_on_how_it_was_asked() -> None:
    asked = [{DEAD: LONG, COMPLETED: LONG}, {COMPLETED: LONG, DEAD: LONG}]
    for keep in asked:
        found = sweeps(keep, {"b": {CANCELLED: SHORT, DEAD: SHORT}, "a": {DEAD: LONG}})
        assert [sweep.state for sweep in found] == [COMPLETED, DEAD, CANCELLED]


def test_a_queues_own_rule_goes_before_the_general_one() -> None:
    completed, dead = sweeps({COMPLETED: LONG}, {"a": {COMPLETED: SHORT, DEAD: SHORT}})
    assert completed == Sweep(COMPLETED, LONG, {"a": SHORT})
    assert [completed.rule_of(queue) for queue in "ab"] == [SHORT, LONG]
    assert [dead.rule_of(queue) for queue in "ab"] == [SHORT, None]
