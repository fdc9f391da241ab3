"""What happened in a queue, counted and measured; how such accounts are merged, and what people read of them."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")

MOST_NAMES = 1_000
"""How many queues, and how many tasks of all queues together, are told apart in one minute."""
OTHER = "(other)"
"""Stands for all further ones. No queue or task can bear this name."""

_GROWTH = 1.2
"""From one bucket's end to the next: whatever lies in one is within 10 % of its middle."""
_SCALE = 1 / math.log(_GROWTH)
_LEAST = 1e-5
"""Seconds; what is shorter counts as nothing."""
_NOTHING = math.floor(math.log(_LEAST) * _SCALE) - 1


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often each thing happened, as workers saw it. Each field counts one kind of event."""

    started: int = 0
    """``queue.job.started``: attempts that began."""
    completed: int = 0
    """``queue.job.completed``"""
    failed: int = 0
    """``queue.job.failed``: attempts that raised or ran out of time."""
    retried: int = 0
    """``queue.job.retrying``: jobs put back after a failure or a crash."""
    dead: int = 0
    """``queue.job.dead_letter``"""
    cancelled: int = 0
    """``queue.job.cancelled``, where a worker had the job. One that waits is cancelled without, and not counted."""
    snoozed: int = 0
    """``queue.job.snoozed``"""
    throttled: int = 0
    """``queue.job.throttled``"""
    rescued: int = 0
    """``queue.job.rescued``: jobs taken over from a vanished worker, told by who took them."""


class Histogram(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Durations in buckets that grow by a fifth: any percentile is within 10 %."""

    most: float = 0.0
    """The longest of all, exactly; in seconds."""
    first: int = 0
    """The number of the first bucket that has any: the logarithm of its beginning."""
    counts: tuple[int, ...] = ()
    """How many lie in it, and in each of the following; the last has some."""


class Activity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened in one queue within some time: the value of an entry of the timeline."""

    tasks: dict[str, Counts] = {}
    wait: Histogram = Histogram()
    """From due to claimed."""
    run: Histogram = Histogram()
    """From the handler's start to its end."""


class Latency(msgspec.Struct, frozen=True):
    """How long something took, in seconds."""

    p50: float
    """Half of all took at most this; within 10 %, as are the next two."""
    p95: float
    p99: float
    max: float
    """Of those measured: where thousands start within two seconds, some of them are."""


class Metric(msgspec.Struct, frozen=True):
    """One minute of one queue, over all workers."""

    at: int
    """When the minute began: milliseconds since 1970 UTC."""
    queue: str
    """``(other)`` stands for all queues beyond the first 1,000 of a minute."""
    counts: Counts
    """Of all tasks together."""
    tasks: Mapping[str, Counts]
    """By task; ``(other)`` stands for all beyond the first 1,000."""
    wait: Latency | None
    """From due to claimed; None where nothing was measured."""
    run: Latency | None
    """How long attempts ran, however they ended."""


class Interval(msgspec.Struct, frozen=True):
    """Ten seconds of one queue on one worker."""

    at: int
    """When it began: milliseconds since 1970 UTC."""
    queue: str
    worker: str
    tasks: Mapping[str, Counts]


def bucket_of(seconds: float) -> int:
    """The number of the bucket that a duration falls into."""
    return math.floor(math.log(seconds) * _SCALE) if seconds >= _LEAST else _NOTHING


def histogram_of(buckets: Mapping[int, int], most: float) -> Histogram:
    """From how many lie in each bucket, by its number."""
    if not buckets:
        return Histogram()
    first, last = min(buckets), max(buckets)
    return Histogram(most, first, tuple(buckets.get(number, 0) for number in range(first, last + 1)))


def percentile(histogram: Histogram, share: float) -> float:
    """The duration in seconds that this share of all doesn't exceed (nearest rank), within 10 %."""
    rank = max(1, math.ceil(share * sum(histogram.counts)))
    for number, count in enumerate(histogram.counts, histogram.first):
        rank -= count
        if rank <= 0:
            middle = 0.0 if number == _NOTHING else math.exp((number + 0.5) / _SCALE)
            return min(middle, histogram.most)
    return histogram.most


def latency(histogram: Histogram) -> Latency | None:
    """What people read of it; None where it is empty."""
    if not histogram.counts:
        return None
    p50, p95, p99 = (percentile(histogram, share) for share in (0.5, 0.95, 0.99))
    return Latency(p50, p95, p99, histogram.most)


def total(counts: Iterable[Counts]) -> Counts:
    """The sum, field by field."""
    rows = [msgspec.structs.astuple(one) for one in counts]
    return Counts(*map(sum, zip(*rows, strict=True)))


def merged(activities: Iterable[Activity]) -> Activity:
    """All of these in one, the same whatever their order. Tasks beyond ``MOST_NAMES`` go together."""
    found = list(activities)
    tasks: dict[str, list[Counts]] = {}
    for one in found:
        for name, counts in one.tasks.items():
            tasks.setdefault(name, []).append(counts)
    named = told_apart(tasks, ())
    return Activity(
        {name: total(counts) for name, counts in sorted(named.items())},
        _together(one.wait for one in found),
        _together(one.run for one in found),
    )


def added(parts: Mapping[str, Activity], taken: Mapping[str, Activity]) -> dict[str, Activity]:
    """What became of those ``parts``, by queue, that something was added to. Neither more queues nor more tasks than
    ``MOST_NAMES`` are told apart: those that come first are."""
    changed: dict[str, Activity] = {}
    apart = len(parts)
    room = MOST_NAMES - sum(len(part.tasks) for part in parts.values())
    for queue, activity in taken.items():
        fresh = queue not in parts
        name = OTHER if fresh and apart >= MOST_NAMES else queue
        before = changed.get(name) or parts.get(name, Activity())
        narrowed = _narrowed(activity, () if name == OTHER else before.tasks, 0 if name == OTHER else max(0, room))
        changed[name] = merged([before, narrowed])
        apart += fresh and name == queue
        room -= len(changed[name].tasks) - len(before.tasks)
    return changed


def _narrowed(activity: Activity, known: Collection[str], room: int) -> Activity:
    """The same with so many new names of tasks."""
    names = [name for name in activity.tasks if name not in known]
    if len(names) <= room:
        return activity
    beyond = set(names[room:])
    tasks = {name: counts for name, counts in activity.tasks.items() if name not in beyond}
    tasks[OTHER] = total(activity.tasks[name] for name in beyond)
    return Activity(tasks, activity.wait, activity.run)


def told_apart(lists: Mapping[str, list[T]], known: Collection[str]) -> Mapping[str, list[T]]:
    """The same where there are no more than ``MOST_NAMES``, else with all further ones together. Those ``known`` from
    before come first: what stands by itself is not taken out by one that comes late."""
    if len(lists) <= MOST_NAMES:
        return lists
    names = sorted(lists.keys() - {OTHER}, key=lambda name: (name not in known, name))
    apart = {name: lists[name] for name in names[:MOST_NAMES]}
    apart[OTHER] = [one for name, some in lists.items() if name not in apart for one in some]
    return apart


def _together(histograms: Iterable[Histogram]) -> Histogram:
    buckets: dict[int, int] = {}
    most = 0.0
    for one in histograms:
        most = max(most, one.most)
        for number, count in enumerate(one.counts, one.first):
            if count:
                buckets[number] = buckets.get(number, 0) + count
    return histogram_of(buckets, most)


def metric_of(at: int, queue: str, activity: Activity) -> Metric:
    """What people read of one minute of one queue."""
    counts = total(activity.tasks.values())
    return Metric(at, queue, counts, activity.tasks, latency(activity.wait), latency(activity.run))
