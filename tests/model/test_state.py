"""The states, their kinds, and the shape of the table of moves."""

import pytest

from headrace.model.state import FINAL, KIND, MOVES, RUNNING, WAITING, Kind, State


def test_every_state_is_of_exactly_one_kind() -> None:
    assert sorted([*WAITING, *RUNNING, *FINAL]) == sorted(State)
    assert set(KIND) == set(State)


@pytest.mark.parametrize(("kind", "states"), [(Kind.WAITING, WAITING), (Kind.RUNNING, RUNNING), (Kind.FINAL, FINAL)])
def test_the_kinds_name_the_same_states_as_the_sets(kind: Kind, states: frozenset[State]) -> None:
    assert {state for state in State if KIND[state] is kind} == states


def test_every_state_has_a_row_of_moves_and_every_move_has_words() -> None:
    assert set(MOVES) == set(State)
    assert all(why for ends in MOVES.values() for why in ends.values())


def test_nothing_leaves_a_final_state_but_an_operators_retry() -> None:
    leaving = {(start, end) for start in FINAL for end in MOVES[start]}
    assert leaving == {(State.DEAD, State.PENDING)}


def test_a_job_starts_to_run_only_from_pending() -> None:
    assert {start for start in State if State.RUNNING in MOVES[start]} == {State.PENDING, State.RUNNING}


def test_a_job_succeeds_or_dies_only_by_running() -> None:
    for final in (State.COMPLETED, State.DEAD):
        assert {start for start in State if final in MOVES[start]} == {State.RUNNING}


def test_everything_that_is_not_final_can_be_cancelled() -> None:
    assert {start for start in State if State.CANCELLED in MOVES[start]} == WAITING | RUNNING


def test_neither_the_table_nor_its_rows_can_be_changed() -> None:
    with pytest.raises(TypeError):
        MOVES[State.COMPLETED] = {State.PENDING: "again"}  # type: ignore[index]
    with pytest.raises(TypeError):
        KIND[State.PENDING] = Kind.FINAL  # type: ignore[index]
