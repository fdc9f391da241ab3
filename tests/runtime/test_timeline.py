"""What workers count, in virtual time: every event once, in its minute, whoever counted it and whatever failed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from stand import EXACT, Stand, settle_loop

from headrace import Cancelled, Event, PermanentFailure, RetryPolicy, Snooze, Throttled
from headrace.model.errors import StoreBusy
from headrace.model.metric import MOST_NAMES, OTHER, Counts, Metric
from headrace.model.timeline import Entry
from headrace.runtime import events
from headrace.runtime.roller import Roller
from headrace.runtime.tally import _COUNTED
from headrace.runtime.timeline import _MOST_UNWRITTEN, MINUTE, PART
from headrace.storage.contract import Span

pytestmark = pytest.mark.anyio

DAY = 86400.0


def tasks_of_all_kinds(stand: Stand) -> Sequence[Any]:
    """One for each way in which an attempt may end."""

    @stand.app.task(name="fine", queue="one")
    async def fine() -> None:
        await stand.pass_time(0.3)

    @stand.app.task(name="result", queue="two")
    async def result() -> int:
        return 1

    @stand.app.task(name="fails", queue="one", retry=EXACT)
    async def fails() -> None:
        raise ValueError

    @stand.app.task(name="refuses", queue="two")
    def refuses() -> None:
        raise PermanentFailure("no")

    @stand.app.task(name="snoozes", queue="two")
    async def snoozes() -> None:
        raise Snooze(400)

    @stand.app.task(name="throttled", queue="one")
    async def throttled() -> None:
        raise Throttled(400)

    @stand.app.task(name="cancels", queue="two")
    async def cancels() -> None:
        raise Cancelled

    return fine, result, fails, refuses, snoozes, throttled, cancels


def counted(metrics: Sequence[Metric]) -> Counter[tuple[int, str, str, str]]:
    """By minute, queue, task and event."""
    found: Counter[tuple[int, str, str, str]] = Counter()
    for metric in metrics:
        for task, counts in metric.tasks.items():
            for event_id, field in _COUNTED.items():
                found[metric.at // MINUTE, metric.queue, task, event_id] += getattr(counts, field)
    return +found


def told(heard: Sequence[Event]) -> Counter[tuple[int, str, str, str]]:
    return Counter(
        (event.at // MINUTE, event.queue, event.task, event.id) for event in heard if event.id != events.QUEUED
    )


async def all_metrics(stand: Stand, queue: str | None = None) -> list[Metric]:
    found: list[Metric] = []
    after = None
    while True:
        page = await stand.app.ametrics(queue, since=2 * DAY, limit=3, after=after)
        found += page
        after = page.next
        if after is None:
            return found


async def to_next_minute(stand: Stand, plus: float = 0.0) -> None:
    await stand.pass_time((MINUTE - stand.clock.wall() % MINUTE) / 1000 + plus)


def completed(metrics: Sequence[Metric]) -> int:
    return sum(metric.counts.completed for metric in metrics)


# --- every event once -------------------------------------------------------------------------------------------------


async def test_the_minutes_of_two_workers_are_what_the_bus_told_exactly(stand: Stand) -> None:
    heard = stand.hear()
    tasks = tasks_of_all_kinds(stand)
    await stand.app.here()
    await to_next_minute(stand)
    async with stand.app.worker({"one": 2, "two": 3}), stand.app.worker({"one": 3, "two": 2}):
        for number in range(40):
            await stand.pass_time(6.9)
            await stand.app.aenqueue_many([task.call() for task in tasks[: 1 + number % len(tasks)]])
        await to_next_minute(stand, plus=30)
        await stand.app.bus.flush()
        metrics = await all_metrics(stand)
        written = {entry.id.split(":")[3] for entry in await parts(stand)}
    assert counted(metrics) == told(heard)
    assert {event.id for event in heard} == set(events.EVENTS) - {events.RESCUED}
    assert len({metric.at for metric in metrics}) >= 4
    assert len(written) == 2
    assert counted(await all_metrics(stand, "two")) == Counter(
        {key: count for key, count in counted(metrics).items() if key[1] == "two"}
    )


async def parts(stand: Stand) -> Sequence[Entry]:
    storage = await stand.storage()
    return (await storage.history(Span(PART), limit=10_000)).entries


async def test_ten_seconds_tell_the_same_two_seconds_after_it_happened(stand: Stand) -> None:
    heard = stand.hear()
    tasks = tasks_of_all_kinds(stand)
    async with stand.app.worker({"one": 2, "two": 3}) as worker:
        for _ in range(12):
            await stand.app.aenqueue_many([task.call() for task in tasks])
            await stand.pass_time(3.3)
        await stand.pass_time(2.2)
        await stand.app.bus.flush()
        intervals = await stand.app.atimeline(since=60)
        found: Counter[tuple[str, str, str]] = Counter()
        for interval in intervals:
            assert interval.worker == worker.id
            assert interval.at % 10_000 == 0
            for task, counts in interval.tasks.items():
                for event_id, field in _COUNTED.items():
                    found[interval.queue, task, event_id] += getattr(counts, field)
        wanted = Counter((event.queue, event.task, event.id) for event in heard if event.id != events.QUEUED)
        assert +found == wanted
        assert 4 <= len({interval.at for interval in intervals}) <= 6


async def test_what_was_counted_last_is_written_at_the_stop(stand: Stand) -> None:
    @stand.app.task(queue="one")
    async def fine() -> None: ...

    await stand.app.aenqueue_many([fine.call() for _ in range(7)])
    async with stand.app.worker({"one": 3}) as worker:
        await worker.idle()
    assert [interval.tasks[fine.name] for interval in await stand.app.atimeline()] == [Counts(started=7, completed=7)]


async def test_it_goes_on_counting_while_a_stopped_worker_lets_its_jobs_finish(stand: Stand) -> None:
    started = asyncio.Event()

    @stand.app.task
    async def long(seconds: float) -> None:
        started.set()
        await stand.pass_time(seconds)

    await stand.app.aenqueue_many([long.call(3.0), long.call(15.0)])
    async with stand.app.worker({"default": 2}) as worker:
        await started.wait()
        stopping = asyncio.create_task(worker.stop())
        await stand.pass_time(6)
        (first, *_) = (await stand.app.atimeline(since=60))[::-1]
        assert first.tasks[long.name].completed == 1
        await stopping
    assert sum(one.tasks[long.name].completed for one in await stand.app.atimeline(since=60)) == 2


async def test_a_job_that_runs_for_minutes_counts_as_started_when_it_starts(stand: Stand) -> None:
    @stand.app.task
    async def long() -> None:
        await stand.pass_time(200)

    await stand.app.here()
    await to_next_minute(stand, plus=5)
    began = stand.clock.wall() // MINUTE
    await stand.app.aenqueue_many([long.call(), long.call()])
    async with stand.app.worker({"default": 1}):
        await stand.pass_time(500)
        found = {metric.at // MINUTE - began: metric for metric in await all_metrics(stand)}
    assert {minute: (one.counts.started, one.counts.completed) for minute, one in found.items()} == {
        0: (1, 0),
        3: (1, 1),
        6: (0, 1),
    }
    assert [found[0].wait.max, found[0].run] == [0.0, None]  # type: ignore[union-attr]
    assert found[3].wait is not None
    assert found[3].wait.p50 == pytest.approx(200, rel=0.1)
    assert found[3].wait.max == pytest.approx(200, abs=0.01)
    assert found[6].wait is None
    for minute in (3, 6):
        run = found[minute].run
        assert run is not None
        assert (run.p50, run.max) == (pytest.approx(200, rel=0.1), pytest.approx(200, abs=0.01))


async def test_a_rescue_is_counted_by_who_rescues(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(lease=3, retry=RetryPolicy.none())

    @stand.app.task
    async def stuck() -> None:
        await stand.pass_time(20)

    await stuck.aenqueue()
    async with stand.zombie() as zombie:
        await stand.pass_time(1)
        async with stand.app.worker({"default": 1}) as other:
            await stand.pass_time(40)
            intervals = await stand.app.atimeline(since=60)
            of = {
                worker.id: [one.tasks[stuck.name] for one in intervals if one.worker == worker.id]
                for worker in (zombie, other)
            }
            assert [sum(one.started for one in of[worker.id]) for worker in (zombie, other)] == [1, 1]
            assert sum(one.completed for one in of[zombie.id]) == 0
            assert [
                sum(getattr(one, name) for one in of[other.id]) for name in ("rescued", "retried", "completed")
            ] == [
                1,
                1,
                1,
            ]


async def test_a_job_that_was_parked_was_not_started(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(unknown_task_grace=5)
    await stand.app.aenqueue("nobody.knows", {})
    async with stand.app.worker({"default": 1}):
        await stand.pass_time(30)
        (interval,) = await stand.app.atimeline(since=60)
        assert interval.tasks == {"nobody.knows": Counts(dead=1)}


# --- what fails -------------------------------------------------------------------------------------------------------


class Broken:
    """A storage whose timeline can't be written for a while."""

    def __init__(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken, self.tries = False, 0
        record, now = storage.record, storage.now

        async def breaking_record(entries: Sequence[Entry]) -> None:
            self.tries += 1
            if self.broken:
                raise StoreBusy("jobs.db", 10)
            await record(entries)

        async def breaking_now() -> int:
            if self.broken:
                raise StoreBusy("jobs.db", 10)
            return int(await now())

        monkeypatch.setattr(storage, "record", breaking_record)
        monkeypatch.setattr(storage, "now", breaking_now)


async def test_a_store_that_fails_for_a_while_loses_no_count_and_stops_no_job(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    @stand.app.task
    async def fine() -> None: ...

    broken = Broken(await stand.storage(), monkeypatch)
    async with stand.app.worker({"default": 2}):
        await to_next_minute(stand, plus=1)
        broken.broken = True
        for _ in range(10):
            await stand.app.ajoin(await fine.aenqueue(), 5)
            await stand.pass_time(6)
        broken.broken = False
        await to_next_minute(stand, plus=30)
        assert completed(await all_metrics(stand)) == 10
    assert "timeline" in {who for who, _ in stand.reports}
    assert all(isinstance(error, StoreBusy) for _, error in stand.reports)


async def test_a_store_that_fails_at_the_stop_is_reported_and_the_worker_ends(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    @stand.app.task
    async def fine() -> None: ...

    broken = Broken(await stand.storage(), monkeypatch)
    async with stand.app.worker({"default": 2}):
        await stand.app.ajoin(await fine.aenqueue(), 5)
        broken.broken = True
    assert stand.reported(StoreBusy)
    assert not await stand.app.aworkers()


async def test_what_waits_for_a_store_that_never_answers_is_bounded(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    @stand.app.task
    async def fine() -> None: ...

    queues = [f"q{number}" for number in range(900)]
    broken = Broken(await stand.storage(), monkeypatch)
    async with stand.app.worker(dict.fromkeys(queues, 1)) as worker:
        broken.broken = True
        for _ in range(12):
            await stand.app.aenqueue_many([fine.using(queue=queue).call() for queue in queues])
            await stand.pass_time(60)
        timeline = worker._housekeeping._timeline
        assert len(timeline._unwritten) == _MOST_UNWRITTEN
        broken.broken = False


async def test_a_clock_that_is_stepped_back_overwrites_no_minute(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    async with stand.app.worker({"default": 2}):
        await to_next_minute(stand, plus=20)
        for step in (0, -40, -40):
            stand.clock.step_wall(step)
            await stand.app.ajoin(await fine.aenqueue(), 5)
            await stand.pass_time(12)
        await to_next_minute(stand)
        await to_next_minute(stand, plus=30)
        assert completed(await all_metrics(stand)) == 3


async def test_one_settled_minute_stays_though_its_parts_are_pruned(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    async with stand.app.worker({"default": 2}):
        await stand.app.ajoin(await fine.aenqueue(), 5)
        await stand.pass_time(65 * 60)
        assert not await parts(stand)
        assert completed(await all_metrics(stand)) == 1


# --- what it costs, and how far it goes -------------------------------------------------------------------------------


async def test_where_nothing_happens_nothing_is_written(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(await stand.storage(), monkeypatch)
    async with stand.app.worker():
        await stand.pass_time(3600)
    assert broken.tries == 0


async def test_an_hour_of_work_leaves_nothing_behind_in_the_worker(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    async with stand.app.worker(dict.fromkeys([f"q{number}" for number in range(60)], 1)) as worker:
        for number in range(60):
            await stand.app.ajoin(await fine.using(queue=f"q{number}").aenqueue(), 5)
            await stand.pass_time(60)
        tally, timeline = worker._tally, worker._housekeeping._timeline
        assert [len(kept) for kept in (tally._rows, tally._gauges, tally._running, timeline._unwritten)] == [0] * 4
        assert all(len(span._parts) <= 2 for span in timeline._spans)


async def test_a_leader_prunes_minutes_after_thirty_days_and_intervals_after_one(stand: Stand) -> None:
    storage = await stand.storage()
    now = stand.clock.wall()
    for kind in ("event", "part", "bucket"):
        ages = {"minute": 90, "hours": 3 * 3600, "days": 3 * DAY, "month": 29.9 * DAY, "older": 30.1 * DAY}
        await storage.record(
            [Entry(f"{kind}:{name}:q:w", kind, "q", now - round(1000 * age), "{}") for name, age in ages.items()]
        )
    async with stand.app.worker():
        await stand.pass_time(130)
    kept = {
        kind: [entry.id.split(":")[1] for entry in (await storage.history(Span(kind), limit=9)).entries]
        for kind in ("event", "part", "bucket")
    }
    assert kept["event"] == ["hours", "minute"]
    assert kept["part"] == ["minute"]
    assert {"month", "days", "hours", "minute"} <= set(kept["bucket"])
    assert "older" not in kept["bucket"]


async def test_ten_thousand_queues_are_told_as_a_thousand_and_the_others(stand: Stand) -> None:
    @stand.app.task
    async def fine() -> None: ...

    queues = [f"q{number:05}" for number in range(10_000)]
    await stand.app.here()
    await to_next_minute(stand, plus=1)
    async with stand.app.worker(dict.fromkeys(queues, 1)):
        await stand.app.aenqueue_many([fine.using(queue=queue).call() for queue in queues])
        await to_next_minute(stand, plus=30)
        metrics = await all_metrics(stand)
        assert len(metrics) == MOST_NAMES + 1
        assert completed(metrics) == 10_000
        (others,) = await stand.app.ametrics(OTHER)
        assert others.counts.completed == 9_000
        page = await stand.app.ametrics(limit=300)
        assert len(page) == 300
        assert page.next is not None
        (worker,) = await stand.app.aworkers()
        assert len(worker.presence.queues) == 10_000


# --- the roller -------------------------------------------------------------------------------------------------------


def part(minute: int, worker: str, started: int = 1, queue: str = "q") -> Entry:
    value = f'{{"tasks":{{"t":{{"started":{started}}}}}}}'
    return Entry(f"part:{minute}:{queue}:{worker}", PART, queue, minute * MINUTE, value)


async def rolled(stand: Stand) -> dict[int, int]:
    """What is told to have started, by minutes ago."""
    present = stand.clock.wall() // MINUTE
    return {present - metric.at // MINUTE: metric.counts.started for metric in await all_metrics(stand)}


async def test_rolling_again_changes_nothing_and_a_late_part_counts_for_three_minutes(stand: Stand) -> None:
    storage = await stand.storage()
    present = stand.clock.wall() // MINUTE
    await storage.record([part(present - 1, "a"), part(present - 1, "b", 2), part(present, "a", 7)])
    assert await stand.app.aroll_metrics_once() == 1
    assert await rolled(stand) == {1: 3}
    assert await stand.app.aroll_metrics_once() == 0
    await storage.record([part(present - 3, "c", 5), part(present - 4, "c", 9), part(present - 1, "b", 4)])
    assert await stand.app.aroll_metrics_once() == 2
    assert await rolled(stand) == {1: 5, 3: 5}


async def test_a_new_leader_rolls_what_was_left_for_fifty_minutes(stand: Stand) -> None:
    storage = await stand.storage()
    present = stand.clock.wall() // MINUTE
    await storage.record([part(present - ago, "a", ago) for ago in range(1, 58)])
    roller = Roller(storage)
    steps = 0
    while await roller.roll_once():
        steps += 1
    assert await rolled(stand) == {ago: ago for ago in range(1, 51)}
    assert steps <= 18
    await stand.pass_time(60)
    await storage.record([part(present, "a", 7), part(present - 3, "b", 7)])
    assert await roller.roll_once() == 1
    assert (await rolled(stand))[1] == 7


async def test_two_who_roll_at_once_write_the_same(stand: Stand) -> None:
    storage = await stand.storage()
    present = stand.clock.wall() // MINUTE
    await storage.record([part(present - 1, str(number), queue=f"q{number % 5}") for number in range(40)])
    await asyncio.gather(*(stand.app.aroll_metrics_once() for _ in range(4)))
    await settle_loop()
    assert [metric.counts.started for metric in await stand.app.ametrics()] == [8] * 5
