"""Who ticks, when, and that each tick is one job: in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from stand import Stand, settle_loop

from headrace import Event, Headrace, Job, Receipt, Schedule, Snooze, parse_cron
from headrace.interface.schedule_plan import build_schedule
from headrace.model.errors import PutLost, ScheduleUnreadable, StoreBusy
from headrace.model.job import NewJob
from headrace.model.record import SCHEDULE, Expect, Put
from headrace.model.schedule_record import put_schedule, read_schedule
from headrace.runtime import events
from headrace.runtime.registry import Registry
from headrace.runtime.scheduler import Scheduler
from headrace.runtime.worker import Worker
from headrace.system.ids import jitter_source

pytestmark = pytest.mark.anyio

HOUR = 3600.0


class Meddler:
    """A storage that does as the test wants before and after an insert, and counts what is asked of it."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.before: Callable[[Sequence[NewJob]], Any] = lambda jobs: None
        self.after: Callable[[Sequence[NewJob]], Any] = lambda jobs: None
        self.calls: list[str] = []
        self.inserts: list[int] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._storage, name)

    def sibling(self) -> Any:
        return self._storage.sibling()

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        await asyncio.tasks.sleep(0)  # so that others come between a look and an insert
        self.before(jobs)
        receipts: Sequence[Receipt[object]] = await self._storage.insert(jobs, puts)
        self.inserts.append(len(jobs))
        self.after(jobs)
        return receipts

    async def records(self, kind: str, **where: Any) -> Any:
        self.calls.append(f"records {kind}")
        return await self._storage.records(kind, **where)


def report_task(app: Headrace) -> Any:
    @app.task(name="report")
    async def report() -> None: ...

    return report


def scheduler(stand: Stand, storage: Any, heard: Callable[..., None] = lambda *_: None) -> Scheduler:
    return Scheduler(storage, stand.app.ids.new, stand.report, heard)


async def all_jobs(stand: Stand) -> list[Job]:
    """Oldest tick first."""
    storage = await stand.storage()
    jobs = [job for job in storage._store.rows.jobs.values() if job.task == "report"]
    return sorted(jobs, key=lambda job: (job.due_at, job.id))


async def ticks(stand: Stand) -> list[int]:
    return [job.due_at for job in await all_jobs(stand)]


def reported(stand: Stand) -> list[BaseException]:
    """What schedulers reported."""
    return [error for who, error in stand.reports if who == "scheduler"]


async def stored(stand: Stand, name: str) -> Schedule:
    (found,) = await stand.app.aschedules(name=name)
    return found


@asynccontextmanager
async def housekeeper(stand: Stand, storage: Any) -> AsyncIterator[Worker]:
    """A worker without handlers on this storage."""
    worker = Worker(stand.app.ids.new(), {}, storage, Registry(), stand.app.settings, stand.app._around(None))
    async with worker:
        yield worker


# --- one job a tick ---------------------------------------------------------------------------------------------------


async def test_an_interval_brings_one_job_a_tick_on_its_grid(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="10s", job=report.call())
    start = stand.clock.wall()
    async with stand.app.worker(["default"]):
        await stand.pass_time(100.5)
    assert await ticks(stand) == [start + 10_000 * number for number in range(1, 11)]
    assert {job.state for job in await all_jobs(stand)} == {"completed"}


async def test_a_cron_schedule_fires_at_the_minute_and_not_before(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("minutely", cron="* * * * *", job=report.call())
    started: list[int] = []
    stand.app.on(events.STARTED)(lambda event: started.append(event.at))
    async with stand.app.worker(["default"]):
        await stand.pass_time(601)
    due = await ticks(stand)
    assert len(due) == 10
    assert all(tick % 60_000 == 0 for tick in due)
    assert all(0 <= moment - tick < 1_000 for moment, tick in zip(started, due, strict=True))


async def test_through_a_change_of_the_clocks(stand: Stand) -> None:
    report = report_task(stand.app)
    night = datetime(2027, 3, 27, 12, tzinfo=UTC).timestamp() * 1000  # the clocks of Paris skip 02:30 on the 28th
    stand.clock.step_wall((night - stand.clock.wall()) / 1000)
    stand.app.schedule("nightly", cron="30 2 * * *", tz="Europe/Paris", job=report.using(queue="fixed").call())
    stand.app.schedule("halves", cron="*/30 2 * * *", tz="Europe/Paris", job=report.using(queue="other").call())
    await stand.app.aschedules()
    one = scheduler(stand, await stand.storage())
    await one.read()
    while stand.clock.wall() < night + 40 * HOUR * 1000:
        _, pause = await one.fire()
        await stand.pass_time(pause or 0)
    fired = {queue: [] for queue in ("fixed", "other")}
    for job in await all_jobs(stand):
        fired[job.queue].append(datetime.fromtimestamp(job.due_at / 1000, UTC).isoformat(" ", "minutes")[:16])
    assert fired == {
        "fixed": ["2027-03-28 01:00", "2027-03-29 00:30"],
        "other": ["2027-03-29 00:00", "2027-03-29 00:30"],
    }


async def test_a_job_knows_its_schedule_and_its_tick(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="10s", job=report.using(headers={"trace": "t"}).call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(11)
    (job,) = await all_jobs(stand)
    tick = datetime.fromtimestamp(job.due_at / 1000, UTC).isoformat().replace("+00:00", "Z")
    assert job.options.headers == {"trace": "t", "headrace-schedule": "often", "headrace-tick": tick}
    assert datetime.fromisoformat(tick).timestamp() * 1000 == job.due_at


async def test_a_tick_tells_that_a_job_is_queued(stand: Stand) -> None:
    report = report_task(stand.app)
    heard: list[Event] = stand.hear(events.QUEUED)
    stand.app.schedule("often", every="10s", overlap=False, job=report.using(queue="nobody").call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(35)
        await stand.app.bus.flush()
    (job,) = await all_jobs(stand)
    assert [(event.job_id, event.task, event.queue) for event in heard] == [(job.id, "report", "nobody")]


@pytest.mark.parametrize("workers", [2, 5])
async def test_several_workers_make_one_job_a_tick(stand: Stand, workers: int) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="1s", job=report.call())
    start = stand.clock.wall()
    meddlers = [Meddler(await stand.storage()) for _ in range(workers)]
    houses = [housekeeper(stand, meddler) for meddler in meddlers]
    for house in houses:
        await house.__aenter__()
    await stand.pass_time(60.5)
    for house in houses:
        await house.__aexit__(None, None, None)
    assert await ticks(stand) == [start + 1_000 * number for number in range(1, 61)]
    # only one of them looked, and none tried in vain
    assert sorted(bool(meddler.calls.count("records schedule")) for meddler in meddlers) == [False] * (workers - 1) + [
        True
    ]
    assert sum(len(meddler.inserts) for meddler in meddlers) == 60
    assert not reported(stand)


async def test_ten_schedulers_at_once_without_a_leader_make_one_job_a_tick(stand: Stand) -> None:
    report = report_task(stand.app)
    for number in range(20):
        stand.app.schedule(f"often-{number}", every="10s", catch_up="all", job=report.using(queue=f"q{number}").call())
    start = stand.clock.wall()
    await stand.app.aschedule_once()
    schedulers = [scheduler(stand, Meddler(await stand.storage())) for _ in range(10)]
    for _ in range(7):
        await stand.pass_time(13)
        for one in schedulers:
            await one.read()
        counts = await asyncio.gather(*(one.fire() for one in schedulers))
        assert sum(count for count, _ in counts) > 0
    jobs = await all_jobs(stand)
    by_queue: dict[str, list[int]] = {}
    for job in jobs:
        by_queue.setdefault(job.queue, []).append(job.due_at)
    assert by_queue == {f"q{number}": [start + 10_000 * tick for tick in range(1, 10)] for number in range(20)}
    assert not reported(stand)


def chances(seed: int) -> Callable[[Sequence[Any]], Any]:
    """Picks one of several, by a seed."""
    entropy = jitter_source(seed)
    return lambda options: options[int(entropy() * len(options))]


class Killed(Exception):
    """This worker was killed here."""


@pytest.mark.parametrize("seed", range(20))
async def test_the_leader_is_killed_at_each_tick_and_each_tick_is_one_job(stand: Stand, seed: int) -> None:
    """Killed before its insert, or after it and before the answer: the next leader goes on where the store stands."""
    chance = chances(seed)
    report = report_task(stand.app)
    every, cron = chance([7, 20, 61]), chance(["* * * * *", "*/25 * * * * *"])
    stand.app.schedule("interval", every=every, catch_up="all", job=report.using(queue="interval").call())
    stand.app.schedule("cron", cron=cron, catch_up="all", job=report.using(queue="cron").call())
    start = stand.clock.wall()
    living: list[Worker] = []
    kills = 0

    async def spawn() -> None:
        meddler = Meddler(await stand.storage())
        worker = Worker(stand.app.ids.new(), {}, meddler, Registry(), stand.app.settings, stand.app._around(None))

        def kill(jobs: Sequence[NewJob]) -> None:
            nonlocal kills
            if worker in living and jobs:
                kills += 1
                living.remove(worker)
                worker._beating._task.cancel()  # type: ignore[union-attr]
                for task in worker._tasks:
                    task.cancel()
                raise Killed

        if chance([True, False]):
            meddler.before = kill
        else:
            meddler.after = kill
        await worker.start()
        living.append(worker)

    while stand.clock.wall() < start + 10 * 60_000:
        while len(living) < 3:
            await spawn()
        await stand.pass_time(chance([0.5, 1.0, 5.0]))
    end = stand.clock.wall()
    for worker in list(living):
        await worker.stop()
    await stand.app.aschedule_once()
    while await stand.app.aschedule_once():
        pass
    assert kills > 5
    jobs = await all_jobs(stand)
    fired = [job.due_at for job in jobs if job.queue == "interval" and job.due_at < end]
    assert fired == list(range(start + every * 1000, end, every * 1000))
    fired = [job.due_at for job in jobs if job.queue == "cron" and job.due_at < end]
    expected, moment = [], start
    while (moment := parse_cron(cron).next(moment) or end) < end:
        expected.append(moment)
    assert fired == expected
    assert not stand.reported(PutLost)


# --- missed ticks, overlap --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("catch_up", "made_good"), [("last", [12]), ("all", list(range(1, 13))), ("none", [])])
async def test_what_passed_while_no_worker_ran(stand: Stand, catch_up: Any, made_good: list[int]) -> None:
    report = report_task(stand.app)
    stand.app.schedule("rarely", every="10m", catch_up=catch_up, job=report.call())
    start = stand.clock.wall()
    assert len(await stand.app.aschedules()) == 1
    await stand.pass_time(2 * HOUR + 300)
    async with stand.app.worker(["default"]):
        await stand.pass_time(60)
        assert await ticks(stand) == [start + 600_000 * number for number in made_good]
        await stand.pass_time(600)
    assert await ticks(stand) == [start + 600_000 * number for number in [*made_good, 13]]


async def test_a_year_of_seconds_is_made_good_in_bounded_steps_that_hold_no_other_up(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("seconds", every="1s", catch_up="all", job=report.using(queue="seconds").call())
    for number in range(30):
        stand.app.schedule(f"other-{number}", every="1h", catch_up="last", job=report.using(queue="others").call())
    await stand.app.aschedules()
    start = stand.clock.wall()
    await stand.pass_time(365 * 24 * HOUR)
    meddler = Meddler(await stand.storage())
    one = scheduler(stand, meddler)
    await one.read()
    count, pause = await one.fire()
    assert (count, pause) == (130, 0)
    assert len([job for job in await all_jobs(stand) if job.queue == "others"]) == 30
    for _ in range(50):
        count, pause = await one.fire()
        assert (count, pause) == (100, 0)
    seconds = [job.due_at for job in await all_jobs(stand) if job.queue == "seconds"]
    assert seconds == [start + 1_000 * number for number in range(1, 5_101)]


async def test_ten_thousand_due_at_once_go_in_steps_of_a_thousand(stand: Stand) -> None:
    report = report_task(stand.app)
    storage = await stand.storage()
    now = await storage.now()
    spec = build_schedule("x", {"every": 3600, "job": report.call()})
    for number in range(2_500):
        name = f"s{number:05}"
        value = put_schedule(Schedule(name, spec.job, every=3600.0, next_at=now + 1_000), Expect.ABSENT)
        await storage.put([value])
    await stand.pass_time(2)
    meddler = Meddler(storage)
    one = scheduler(stand, meddler)
    await one.read()
    counts = [(await one.fire())[0] for _ in range(4)]
    assert counts == [1_000, 1_000, 500, 0]
    assert meddler.inserts == [1_000, 1_000, 500]
    assert meddler.calls.count("records schedule") == 3


async def test_without_overlap_a_tick_waits_for_no_job_but_is_skipped(stand: Stand) -> None:
    @stand.app.every("10s", overlap=False)
    @stand.app.task(name="report")
    async def report() -> None:
        await stand.pass_time(25)

    start = stand.clock.wall()
    async with stand.app.worker(["default"]):
        await stand.pass_time(105)
    assert await ticks(stand) == [start + 1_000 * number for number in (10, 40, 70, 100)]
    schedule = await stored(stand, "report")
    assert (schedule.fired, schedule.last_at) == (10, start + 100_000)


async def test_without_overlap_a_job_that_waits_to_be_tried_again_stands_in_the_way_too(stand: Stand) -> None:
    @stand.app.every("10s", overlap=False)
    @stand.app.task(name="report")
    async def report() -> None:
        raise Snooze("35s")

    async with stand.app.worker(["default"]):
        await stand.pass_time(105)
        (job,) = await all_jobs(stand)
        await stand.app.acancel(job.id)
        await stand.pass_time(10)
        assert len(await all_jobs(stand)) == 2


async def test_after_so_many_times_there_is_none(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("thrice", every="10s", times=3, job=report.call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(100)
    assert len(await ticks(stand)) == 3
    assert (await stored(stand, "thrice")).next_at is None


# --- the clock --------------------------------------------------------------------------------------------------------


async def test_row_17_a_clock_that_steps_back_fires_no_tick_twice(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("minutely", cron="* * * * *", job=report.call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(300)
        before = await ticks(stand)
        stand.clock.step_wall(-180)
        await stand.pass_time(170)
        assert await ticks(stand) == before
        await stand.pass_time(70)
    after = await ticks(stand)
    assert len(after) == len(set(after)) == len(before) + 1


async def test_row_17_a_clock_that_steps_forward_is_followed_within_seconds(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("hourly", cron="0 * * * *", job=report.call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(5)
        stand.clock.step_wall(5 * HOUR)
        await stand.pass_time(16)
    (tick,) = await ticks(stand)
    assert 0 <= stand.clock.wall() - tick < HOUR * 1000


# --- changes while it runs --------------------------------------------------------------------------------------------


async def test_what_somebody_changes_is_followed_at_once(stand: Stand) -> None:
    report = report_task(stand.app)
    async with stand.app.worker(["default"]):
        await stand.pass_time(10)
        start = stand.clock.wall()
        await stand.app.aput_schedule("new", every="2s", job=report.call())
        await stand.pass_time(4.5)
        assert await ticks(stand) == [start + 2_000, start + 4_000]
        await stand.app.apause_schedule("new")
        await stand.pass_time(60)
        assert len(await ticks(stand)) == 2
        await stand.app.aresume_schedule("new")
        await stand.pass_time(2)
        assert (await ticks(stand))[2:] == [start + 66_000]
        start = stand.clock.wall()
        await stand.app.aedit_schedule("new", every="500ms")
        await stand.pass_time(1.1)
        assert (await ticks(stand))[3:] == [start + 500, start + 1_000]
        await stand.app.aremove_schedule("new")
        await stand.pass_time(60)
        assert len(await ticks(stand)) == 5


async def test_what_was_changed_without_a_notice_is_followed_within_fifteen_seconds(stand: Stand) -> None:
    report = report_task(stand.app)
    storage = await stand.storage()
    async with stand.app.worker(["default"]):
        await stand.pass_time(10)
        now = await storage.now()
        schedule = Schedule("silent", report.call().make(""), every=100.0, next_at=now + 1_000)
        await storage.put([put_schedule(schedule, Expect.ABSENT)])
        await stand.pass_time(15.5)
        assert await ticks(stand) == [now + 1_000]
        await storage.put([Put(SCHEDULE, "silent", None)])
        await stand.pass_time(200)
        assert len(await ticks(stand)) == 1
    assert not reported(stand)


async def test_a_removed_schedule_and_a_new_one_of_its_name_are_told_apart(stand: Stand) -> None:
    report = report_task(stand.app)
    await stand.app.aput_schedule("again", every="10s", job=report.using(queue="old").call())
    one = scheduler(stand, Meddler(await stand.storage()))
    await one.read()
    await stand.app.aremove_schedule("again")
    made = await stand.app.aput_schedule("again", every="15s", job=report.using(queue="new").call())
    await stand.pass_time(10)
    assert await one.fire() == (0, 5.0)
    assert await stored(stand, "again") == made
    await stand.pass_time(5)
    assert await one.fire() == (1, 15.0)
    await stand.app.aremove_schedule("again")
    await stand.pass_time(15)
    assert await one.fire() == (0, None)
    assert [job.queue for job in await all_jobs(stand)] == ["new"]
    assert not reported(stand)


async def test_a_put_that_is_lost_leaves_that_schedule_to_the_winner_and_the_others_go_on(stand: Stand) -> None:
    report = report_task(stand.app)
    for name in ("a", "b", "c", "gone", "paused"):
        stand.app.schedule(name, every="10s", job=report.using(queue=name).call())
    meddler = Meddler(await stand.storage())
    one = scheduler(stand, meddler)
    await one.read()
    await stand.pass_time(10)
    await stand.app.aedit_schedule("b", every="3s")
    await stand.app.aremove_schedule("gone")
    await stand.app.apause_schedule("paused")
    assert await one.fire() == (2, 3.0)
    assert [job.queue for job in await all_jobs(stand)] == ["a", "c"]
    await stand.pass_time(3)
    assert await one.fire() == (1, 3.0)
    assert [job.queue for job in await all_jobs(stand)] == ["a", "c", "b"]
    assert not reported(stand)


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_reported_once_and_the_others_go_on(stand: Stand) -> None:
    report = report_task(stand.app)
    storage = await stand.storage()
    now = await storage.now()
    job = report.call().make("")
    odd = Schedule("odd-zone", job, cron="* * * * *", tz="Mars/Olympus", next_at=now)
    await storage.put([Put(SCHEDULE, "torn", '{"name":'), put_schedule(odd, Expect.ABSENT)])
    stand.app.schedule("fine", every="10s", job=report.call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(100.5)
        assert len(await ticks(stand)) == 10
        texts = [str(error) for error in stand.reported(ScheduleUnreadable)]
        assert len(texts) == len(reported(stand)) == 2
        assert sorted(text.split("'")[1] for text in texts) == ["odd-zone", "torn"]
        assert any("time zone 'Mars/Olympus' is not known" in text for text in texts)
        await stand.app.aput_schedule("odd-zone", cron="* * * * *", job=report.call())
        await stand.pass_time(60)
        assert len(await ticks(stand)) == 17


async def test_a_job_that_the_store_refuses_stops_no_other_schedule(stand: Stand) -> None:
    report = report_task(stand.app)
    for name in ("a", "bad", "c"):
        stand.app.schedule(name, every="10s", job=report.using(queue=name).call())
    await stand.app.aschedules()
    meddler = Meddler(await stand.storage())

    def refuse(jobs: Sequence[NewJob]) -> None:
        if refusing and any(job.queue == "bad" for job in jobs):
            raise OverflowError("too much for this store")

    refusing = True
    meddler.before = refuse
    async with housekeeper(stand, meddler):
        await stand.pass_time(45)
        assert [job.queue for job in await all_jobs(stand)] == ["a", "c"] * 4
        errors = stand.reported(ScheduleUnreadable)
        assert len(errors) == len(reported(stand)) >= 2
        assert "schedule 'bad' can't be followed here: OverflowError: too much for this store" in str(errors[0])
        refusing = False
        await stand.pass_time(20)
        assert "bad" in {job.queue for job in await all_jobs(stand)}


async def test_a_store_that_fails_for_a_while_costs_no_tick(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="10s", catch_up="all", job=report.call())
    start = stand.clock.wall()
    await stand.app.aschedules()
    meddler = Meddler(await stand.storage())
    failures = [*(True,) * 4, False]

    def fail(jobs: Sequence[NewJob]) -> None:
        if len(failures) > 1 and failures.pop(0):
            raise StoreBusy("jobs.db", 10)

    meddler.before = fail
    async with housekeeper(stand, meddler):
        await stand.pass_time(65)
    assert await ticks(stand) == [start + 10_000 * number for number in range(1, 7)]
    assert len(stand.reported(StoreBusy)) == len(reported(stand)) == 4


async def test_an_answer_that_was_lost_makes_no_second_job(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="10s", catch_up="all", job=report.call())
    start = stand.clock.wall()
    await stand.app.aschedules()
    meddler = Meddler(await stand.storage())

    def lose(jobs: Sequence[NewJob]) -> None:
        raise StoreBusy("jobs.db", 10)

    meddler.after = lose
    async with housekeeper(stand, meddler):
        await stand.pass_time(65)
    assert await ticks(stand) == [start + 10_000 * number for number in range(1, 7)]


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_it_sleeps_until_the_next_tick(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("yearly", cron="0 0 1 1 *", job=report.call())
    await stand.app.aschedules()
    meddler = Meddler(await stand.storage())
    async with housekeeper(stand, meddler):
        await stand.pass_time(20)
        meddler.calls.clear()
        await stand.pass_time(HOUR)
    assert meddler.calls.count("records schedule") <= HOUR / 15
    assert meddler.calls.count("records schedule-changes") <= HOUR / 15


async def test_a_worker_that_does_not_lead_reads_no_schedules_until_it_does(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="10s", job=report.call())
    start = stand.clock.wall()
    await stand.app.aschedules()
    first, second = Meddler(await stand.storage()), Meddler(await stand.storage())
    async with housekeeper(stand, second):  # it ends last
        await settle_loop()
        leader = housekeeper(stand, first)
        leads, follows = second, first
        await leader.__aenter__()
        await stand.pass_time(35)
        assert leads.calls.count("records schedule")
        assert not follows.calls.count("records schedule")
        await leader.__aexit__(None, None, None)
    assert await ticks(stand) == [start + 10_000 * number for number in range(1, 4)]


async def test_stopping_waits_for_no_tick(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("yearly", cron="0 0 1 1 *", job=report.call())
    async with stand.app.worker(["default"]):
        await stand.pass_time(5)
        before = stand.now
    assert stand.now - before < 0.5


async def test_a_resigning_leader_leaves_no_gap(stand: Stand) -> None:
    report = report_task(stand.app)
    stand.app.schedule("often", every="1s", catch_up="all", job=report.call())
    start = stand.clock.wall()
    async with stand.app.worker(["default"]):
        async with stand.app.worker(["default"]):
            await stand.pass_time(10)
        await stand.pass_time(20)
        fired = await ticks(stand)
    assert fired == [start + 1_000 * number for number in range(1, len(fired) + 1)]
    assert len(fired) >= 29
    assert read_schedule((await (await stand.storage()).records(SCHEDULE))[0]).fired >= len(fired)
