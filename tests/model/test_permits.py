"""Who of a batch gets permits: all that a job names, or none."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headrace.model.permits import assign

limits = st.lists(st.sampled_from("abc"), unique=True, max_size=3)


def test_jobs_without_limits_always_start() -> None:
    assert assign([(), ()], {}).places == [None, None]


def test_permits_go_in_order_and_places_are_counted() -> None:
    found = assign([("a",), ("a",), (), ("a",)], {"a": 1})
    assert found.places == [None, {"a": 1}, None, {"a": 2}]
    assert found.unused == {}


def test_a_job_that_lacks_one_permit_takes_none() -> None:
    found = assign([("a", "b"), ("a",), ("b",)], {"a": 2, "b": 0})
    assert found.places == [{"b": 1}, None, {"b": 2}]
    assert found.unused == {"a": 1}


@given(st.lists(limits, max_size=20), st.dictionaries(st.sampled_from("abc"), st.integers(0, 8)))
def test_nothing_is_made_up_or_lost(wanted: list[list[str]], in_hand: dict[str, int]) -> None:
    found = assign(wanted, in_hand)
    used = Counter(limit for names, place in zip(wanted, found.places, strict=True) if place is None for limit in names)
    assert {limit: used[limit] + found.unused.get(limit, 0) for limit in in_hand} == in_hand
    for names, place in zip(wanted, found.places, strict=True):
        assert place is None or (place and set(place) <= set(names))
    for limit in "abc":
        line = [place[limit] for place in found.places if place is not None and limit in place]
        assert line == list(range(1, len(line) + 1))
