"""Counts and histograms: percentiles against exact ones, merging in any order and any grouping, bounds on names."""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.model.metric import (
    MOST_NAMES,
    OTHER,
    Activity,
    Counts,
    Histogram,
    added,
    bucket_of,
    histogram_of,
    latency,
    merged,
    metric_of,
    percentile,
    told_apart,
    total,
)

FIELDS = Counts.__struct_fields__

durations = st.one_of(st.just(0.0), st.floats(1e-7, 1e8), st.integers(0, 10_000).map(lambda ms: ms / 1000))
shares = st.one_of(st.sampled_from((0.5, 0.95, 0.99)), st.floats(0.001, 1.0))
counts = st.builds(Counts, **dict.fromkeys(FIELDS, st.integers(0, 1000)))
names = st.sampled_from(("a", "b", "c", OTHER))


def measured(values: Sequence[float]) -> Histogram:
    return histogram_of(Counter(map(bucket_of, values)), max(values, default=0.0))


def exact(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


activities = st.builds(
    lambda tasks, waits, runs: Activity(tasks, measured(waits), measured(runs)),
    st.dictionaries(names, counts, max_size=4),
    st.lists(durations, max_size=8),
    st.lists(durations, max_size=8),
)


# --- percentiles ------------------------------------------------------------------------------------------------------


@given(st.lists(durations, min_size=1, max_size=200), shares)
def test_percentiles_are_within_ten_percent_of_the_exact_ones(values: list[float], share: float) -> None:
    found, wanted = percentile(measured(values), share), exact(values, share)
    assert abs(found - wanted) <= max(0.1 * wanted, 1e-5)


@given(st.lists(durations, min_size=1, max_size=200))
def test_latencies_rise_and_end_at_the_longest_exactly(values: list[float]) -> None:
    found = latency(measured(values))
    assert found is not None
    assert found.p50 <= found.p95 <= found.p99 <= found.max == max(values)


def test_where_nothing_was_measured_there_is_no_latency() -> None:
    assert latency(Histogram()) is None


@given(st.lists(durations, min_size=1), st.integers(1, 64), shares)
def test_that_each_stands_for_many_changes_no_percentile(values: list[float], weight: int, share: float) -> None:
    once = measured(values)
    often = replace(once, counts=tuple(weight * count for count in once.counts))
    assert often == measured(values * weight)
    assert percentile(often, share) == percentile(measured(values * weight), share)


@given(durations, durations)
def test_longer_is_never_in_a_bucket_before(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


# --- merging ----------------------------------------------------------------------------------------------------------


@given(st.lists(activities, max_size=6), st.randoms())
def test_the_order_of_parts_means_nothing_down_to_the_bytes(parts: list[Activity], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert msgspec.json.encode(merged(parts)) == msgspec.json.encode(merged(shuffled))


@given(st.lists(activities, min_size=1, max_size=6), st.integers(0, 6))
def test_merging_parts_first_changes_nothing(parts: list[Activity], at: int) -> None:
    assert merged([merged(parts[:at]), merged(parts[at:])]) == merged(parts)


@given(st.lists(activities, max_size=6))
def test_merged_counts_are_the_sums_and_survive_being_stored(parts: list[Activity]) -> None:
    whole = msgspec.json.decode(msgspec.json.encode(merged(parts)), type=Activity)
    assert whole == merged(parts)
    everything = metric_of(0, "q", whole).counts
    for field in FIELDS:
        assert getattr(everything, field) == sum(getattr(one, field) for part in parts for one in part.tasks.values())
    assert sum(whole.run.counts) == sum(sum(part.run.counts) for part in parts)


@given(st.lists(st.dictionaries(st.sampled_from(("a", "b", "c")), activities, max_size=3), max_size=6))
def test_adding_one_after_another_is_merging_all(takes: list[dict[str, Activity]]) -> None:
    parts: dict[str, Activity] = {}
    for taken in takes:
        parts |= added(parts, taken)
    for queue in parts:
        assert parts[queue] == merged([taken[queue] for taken in takes if queue in taken])


# --- how many are told apart ------------------------------------------------------------------------------------------

ONE = Activity({"t": Counts(started=1)})


def test_queues_beyond_the_most_are_counted_together() -> None:
    parts: dict[str, Activity] = {}
    for first in range(0, 10_000, 500):
        parts |= added(
            parts, {f"q{number}": Activity({"t": Counts(started=1)}) for number in range(first, first + 500)}
        )
    assert set(parts) == {f"q{number}" for number in range(MOST_NAMES)} | {OTHER}
    assert parts[OTHER].tasks == {OTHER: Counts(started=9_000)}
    assert parts["q7"] == ONE
    again = added(parts, {"q7": ONE, "q9999": ONE})
    assert again["q7"].tasks["t"].started == 2
    assert again[OTHER].tasks[OTHER].started == 9_001


def test_tasks_beyond_the_most_are_counted_together_over_all_queues() -> None:
    many = Activity({f"t{number}": Counts(completed=1) for number in range(900)})
    parts = added({}, {"a": many, "b": many})
    assert len(parts["a"].tasks) == 900
    assert len(parts["b"].tasks) == 101
    assert parts["b"].tasks[OTHER] == Counts(completed=800)
    later = added(parts, {"c": many, "b": Activity({"t3": Counts(failed=1), "t899": Counts(failed=2)})})
    assert later["c"].tasks == {OTHER: Counts(completed=900)}
    assert later["b"].tasks["t3"] == Counts(completed=1, failed=1)
    assert later["b"].tasks[OTHER] == Counts(completed=800, failed=2)


def test_merging_workers_tells_no_more_apart_than_one_and_nothing_is_lost() -> None:
    by_queue = {f"q{number:04}": [ONE, ONE] for number in range(3_000)}
    found = {queue: merged(parts) for queue, parts in told_apart(by_queue, known=()).items()}
    assert len(found) == MOST_NAMES + 1
    assert total(one.tasks["t"] for one in found.values()).started == 6_000
    assert found[OTHER].tasks["t"].started == 4_000


def test_a_queue_that_was_told_apart_before_stays_so() -> None:
    before = {f"q{number:04}": [ONE] for number in range(MOST_NAMES, 2 * MOST_NAMES)}
    late = {f"q{number:04}": [ONE] for number in range(MOST_NAMES)}
    found = told_apart(late | before, known=set(before))
    assert set(found) == set(before) | {OTHER}
    assert len(found[OTHER]) == MOST_NAMES
