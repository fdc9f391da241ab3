"""Fair shares of a ceiling."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.model.share import share_out

fleets = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 30), max_size=12)


def test_equal_workers_get_the_same_or_one_more() -> None:
    assert share_out(11, {"a": 10, "b": 10, "c": 10}, 0) == {"a": 4, "b": 4, "c": 3}
    assert share_out(11, {"a": 10, "b": 10, "c": 10}, 1) == {"a": 4, "b": 3, "c": 4}
    assert share_out(11, {"a": 10, "b": 10, "c": 10}, 2) == {"a": 3, "b": 4, "c": 4}


def test_what_a_small_worker_cannot_use_goes_to_the_others() -> None:
    assert share_out(12, {"a": 2, "b": 10, "c": 10}, 0) == {"a": 2, "b": 5, "c": 5}
    assert share_out(100, {"a": 2, "b": 10}, 5) == {"a": 2, "b": 10}


def test_with_more_workers_than_the_ceiling_everybody_has_a_turn() -> None:
    workers = dict.fromkeys("abcde", 4)
    turns = [share_out(2, workers, turn) for turn in range(5)]
    assert all(sorted(shares.values()) == [0, 0, 0, 1, 1] for shares in turns)
    assert [sum(shares[worker] for shares in turns) for worker in workers] == [2] * 5


def test_nobody_and_nothing() -> None:
    assert share_out(3, {}, 0) == {}
    assert share_out(0, {"a": 4}, 0) == {"a": 0}
    assert share_out(-1, {"a": 4}, 0) == {"a": 0}


@given(st.integers(0, 200), fleets, st.integers(0, 10**12))
def test_shares_add_up_and_are_fair(ceiling: int, slots: dict[str, int], turn: int) -> None:
    shares = share_out(ceiling, slots, turn)
    assert shares.keys() == slots.keys()
    assert sum(shares.values()) == min(ceiling, sum(slots.values()))
    for worker, share in shares.items():
        assert 0 <= share <= slots[worker]
        for other in shares:
            assert share <= shares[other] + 1 or shares[other] == slots[other]


@given(st.integers(0, 20), st.integers(1, 12), st.integers(1, 5), st.integers(0, 10**9))
def test_over_a_round_of_turns_equal_workers_get_the_same(ceiling: int, workers: int, slots: int, turn: int) -> None:
    fleet = {f"w{number}": slots for number in range(workers)}
    got = dict.fromkeys(fleet, 0)
    for step in range(workers):
        for worker, share in share_out(ceiling, fleet, turn + step).items():
            got[worker] += share
    assert len(set(got.values())) == 1
