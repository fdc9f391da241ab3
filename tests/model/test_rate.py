"""Rates and token buckets: what is parsed, and what no sequence of takings can get out of a bucket."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import InvalidOption
from headrace.model.rate import (
    STEP_BACK,
    Bucket,
    Rate,
    change_rate,
    check_burst,
    drain,
    filled,
    full,
    give_back,
    next_free,
    parse_rate,
    pause,
    take,
    whole_tokens,
)

TEN_A_SECOND = Rate(10, 1_000)
rates = st.builds(Rate, st.integers(1, 2_000), st.integers(1, 100_000))
bursts = st.integers(1, 500)


def bucket_of(rate: Rate = TEN_A_SECOND, burst: int = 5) -> Bucket:
    return full(rate, burst)


def most_in(rate: Rate, burst: int, milliseconds: int) -> int:
    """What rate and burst allow in a window of this length, its end included."""
    return burst + rate.count * milliseconds // rate.period


# --- parsing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count", "period"),
    [
        ("10/s", 10, 1_000),
        ("100/m", 100, 60_000),
        ("5000/h", 5_000, 3_600_000),
        ("1/250ms", 1, 250),
        ("3/10s", 3, 10_000),
        ("1000000/30d", 1_000_000, 30 * 86_400_000),
    ],
)
def test_a_rate_is_read_and_written_alike(text: str, count: int, period: int) -> None:
    rate = parse_rate(text)
    assert rate == Rate(count, period)
    assert str(rate) == text


def test_a_rate_is_written_in_its_largest_unit() -> None:
    assert [str(Rate(1, period)) for period in (60_000, 90_000, 1, 86_400_000)] == ["1/m", "1/90s", "1/ms", "1/d"]


BAD_TEXTS = ["", "10", "/s", "10/", "0/s", "-1/s", "1.5/s", "10/0s", "10/y", "10 / s", "10/s ", "1000001/s", "1/31d"]


@pytest.mark.parametrize(
    "value",
    [*BAD_TEXTS, "٣/s", 10, 10.0, True, None, b"10/s", "9" * 5_000 + "/s", "1/" + "9" * 5_000 + "s"],
    ids=ascii,
)
def test_what_is_no_rate_is_refused_with_the_value_and_the_way_out(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r'rate=.*such as "10/s"'):
        parse_rate(value)


@pytest.mark.parametrize("value", [0, -1, 1_000_001, True, 1.0, "5", None, float("nan")], ids=str)
def test_what_is_no_burst_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"burst=.*from 1 to 1,000,000"):
        check_burst(value)


# --- every window -----------------------------------------------------------------------------------------------------

steps = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 50)), min_size=1, max_size=60)


def largest_excess(rate: Rate, burst: int, taken: list[tuple[int, int]]) -> int:
    """By how much, in drops, the worst of all windows is over what is allowed: zero or less is fine."""
    worst = -burst * rate.period
    lowest: int | None = None
    total = 0
    for at, number in taken:
        before = total * rate.period - rate.count * at
        lowest = before if lowest is None else min(lowest, before)
        total += number
        worst = max(worst, total * rate.period - rate.count * at - lowest - burst * rate.period)
    return worst


@given(rates, bursts, steps)
def test_no_window_gets_more_than_rate_and_burst(rate: Rate, burst: int, steps: list[tuple[int, int]]) -> None:
    bucket, now, taken = bucket_of(rate, burst), 0, []
    for passed, wanted in steps:
        now += passed
        bucket, granted = take(bucket, wanted, now)
        assert 0 <= granted <= wanted
        taken.append((now, granted))
    for first, (since, _) in enumerate(taken):
        for last, (until, _) in enumerate(taken[first:], first):
            assert sum(number for _, number in taken[first : last + 1]) <= most_in(rate, burst, until - since)
    assert largest_excess(rate, burst, taken) <= 0
    assert bucket.granted == sum(number for _, number in taken)


events = st.lists(
    st.tuples(st.sampled_from(["take", "unused", "drain", "idle"]), st.integers(-STEP_BACK, 8_000), st.integers(1, 40)),
    max_size=60,
)


@given(rates, bursts, events)
def test_nor_with_permits_given_back_drains_and_a_clock_that_trembles(
    rate: Rate, burst: int, events: list[tuple[str, int, int]]
) -> None:
    """The windows are those of the clock made steady: where it was behind, time stood still."""
    bucket, now, steady, taken, in_hand = bucket_of(rate, burst), 20_000, 0, [], 0
    for kind, passed, number in events:
        now = max(steady - STEP_BACK, now + passed)
        steady = max(steady, now)
        if kind == "take":
            bucket, in_hand = take(bucket, number, now)
            taken.append((steady, in_hand))
        elif kind == "unused":
            bucket, taken = give_back(bucket, in_hand, now), [*taken, (steady, -in_hand)]
            in_hand = 0
        elif kind == "drain":
            bucket = drain(bucket, now, number * 100)
            assert take(bucket, 1, steady + number * 100 - 1)[1] == 0
        else:
            bucket = filled(bucket, now)
        assert 0 <= bucket.level <= burst * rate.period
    assert largest_excess(rate, burst, taken) <= 0
    assert bucket.granted == sum(number for _, number in taken)


@given(rates, bursts, steps, st.integers(STEP_BACK + 1, 10**9))
def test_a_clock_that_is_set_back_brings_nothing_and_stops_nothing(
    rate: Rate, burst: int, steps: list[tuple[int, int]], back: int
) -> None:
    bucket, now, passed_in_all, granted_in_all = bucket_of(rate, burst), 2 * 10**9, 0, 0
    for number, (passed, wanted) in enumerate(steps):
        before = bucket
        if number == len(steps) // 2:
            now -= back
            assert whole_tokens(bucket, now) <= whole_tokens(before, now + back)
        else:
            now, passed_in_all = now + passed, passed_in_all + passed
        bucket, granted = take(bucket, wanted, now)
        granted_in_all += granted
    assert granted_in_all <= most_in(rate, burst, passed_in_all)
    assert take(bucket, 1, now + rate.period)[1] == 1


def test_a_drain_moves_along_when_the_clock_is_set_back() -> None:
    bucket = drain(bucket_of(), 1_000_000, 5_000)
    assert next_free(bucket, 1_000_000 - 600_000) == 1_000_000 - 600_000 + 5_000


slow_rates = rates.filter(lambda rate: rate.count <= rate.period)
"""At most one a millisecond: faster ones come several at a time."""


# --- the next token ---------------------------------------------------------------------------------------------------


@given(
    rates.filter(lambda r: r.count <= r.period), st.integers(2, 500), steps, st.integers(1, 30), st.integers(0, 3_000)
)
def test_the_next_free_moment_is_the_first_that_grants(
    rate: Rate, burst: int, steps: list[tuple[int, int]], place: int, rest: int
) -> None:
    bucket, now = bucket_of(rate, burst), 0
    for passed, wanted in steps:
        now += passed
        bucket, _ = take(bucket, wanted, now)
    if rest:
        bucket = drain(bucket, now, rest)
    assert next_free(bucket, now) >= now + rest
    taken, moment = bucket, now
    for _ in range(place - 1):
        moment = next_free(taken, moment)
        taken, granted = take(taken, 1, moment)
        assert granted == 1
    free = next_free(bucket, now, place)
    assert take(taken, 1, free)[1] == 1
    if free > now:
        assert take(taken, 1, free - 1)[1] == 0


def test_a_full_bucket_has_its_tokens_now_and_the_rest_one_by_one() -> None:
    bucket = bucket_of()
    assert [next_free(bucket, 7, place) for place in (1, 5, 6, 7, 8)] == [7, 7, 107, 207, 307]


def test_a_drained_bucket_opens_with_one_token() -> None:
    bucket = drain(bucket_of(), 0, 30_000)
    assert take(bucket, 1, 29_999)[1] == 0
    assert take(bucket, 5, 30_000)[1] == 1
    assert take(bucket, 5, 30_250)[1] == 3
    slow = drain(bucket_of(Rate(1, 3_600_000)), 0, 60_000)
    assert next_free(slow, 0) == 3_600_000


def test_a_second_drain_never_shortens_the_first() -> None:
    bucket = drain(drain(bucket_of(), 0, 30_000), 100, 1_000)
    assert bucket.closed_until == 30_000
    assert drain(bucket, 200, 40_000).closed_until == 40_200


def test_what_is_given_back_to_a_closed_bucket_is_gone() -> None:
    bucket, granted = take(bucket_of(), 5, 0)
    bucket = give_back(drain(bucket, 10, 1_000), granted, 20)
    assert (bucket.granted, take(bucket, 5, 1_010)[1]) == (0, 1)


def test_another_rate_keeps_the_tokens_as_far_as_the_burst_holds_them() -> None:
    bucket, _ = take(bucket_of(burst=10), 3, 0)
    slower = change_rate(bucket, Rate(1, 60_000), 20, 0)
    assert [whole_tokens(slower, now) for now in (0, 59_999, 60_000)] == [7, 7, 8]
    assert whole_tokens(change_rate(bucket, Rate(1, 60_000), 2, 0), 0) == 2


# --- pauses -----------------------------------------------------------------------------------------------------------


@given(rates, bursts, steps, st.integers(1, 200), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_a_pause_after_a_refusal_ends_with_a_token_there_and_before_the_bucket_is_full(
    rate: Rate, burst: int, steps: list[tuple[int, int]], wanted: int, contested: bool, random: float
) -> None:
    bucket, now = bucket_of(rate, burst), 0
    for passed, number in steps:
        now += passed
        bucket, _ = take(bucket, number, now)
    bucket, _ = take(bucket, burst, now)
    waited = now + pause(bucket, now, wanted, contested, random)
    assert waited >= next_free(bucket, now)
    assert waited <= next_free(bucket, now, max(1, burst // 2))


def test_a_fast_limit_is_waited_for_in_gatherings_and_a_slow_one_by_the_token() -> None:
    empty = drain(bucket_of(Rate(1_000, 1_000), 1_000), 0, 0)
    assert [pause(empty, 0, wanted, False, 0.9) for wanted in (1, 10, 500)] == [1, 10, 25]
    slow = drain(bucket_of(burst=20), 0, 0)
    assert pause(slow, 0, 10, False, 0.9) == 100
    assert [pause(slow, 0, 10, True, random) for random in (0.0, 0.5, 0.999)] == [100, 550, 999]
