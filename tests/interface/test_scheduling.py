"""Schedules as programs and operators meet them. On memory and on SQLite."""

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headrace import Headrace, Page, Schedule, Task
from headrace.model.errors import (
    AlreadyRegistered,
    HeadraceError,
    InvalidArguments,
    InvalidCron,
    InvalidDelay,
    InvalidName,
    InvalidOption,
    ScheduleNotFound,
    StoreReadOnly,
    UseAsync,
)
from headrace.model.record import SCHEDULE, Put
from headrace.system.clock import ManualClock

pytestmark = pytest.mark.anyio

Make = Callable[..., Headrace]
HOUR = 3_600_000


def report_task(app: Headrace) -> Task[[int], None, None]:
    @app.task(name="report")
    def report(day: int = 0) -> None: ...

    return report


async def stored(app: Headrace, name: str) -> Schedule:
    (found,) = await app.aschedules(name=name)
    return found


# --- declaring --------------------------------------------------------------------------------------------------------


async def test_decorators_leave_the_task_as_it_is_and_name_the_schedule_after_it(app: Headrace) -> None:
    @app.cron("0 9 * * 1-5", tz="Europe/Paris", catch_up="none")
    @app.task(name="digest")
    async def digest(hour: int = 9) -> int:
        return hour

    @app.every("10s", overlap=False, times=3)
    @app.every(timedelta(minutes=1), name="poll:slowly")
    @app.task
    def poll() -> str:
        return "polled"

    assert isinstance(digest, Task)
    assert await digest(8) == 8
    assert poll() == "polled"
    schedules = await app.aschedules()
    assert [schedule.name for schedule in schedules] == ["digest", "poll:slowly", poll.name]
    nine, slow, often = schedules
    assert (nine.cron, nine.tz, nine.every, nine.catch_up) == ("0 9 * * 1-5", "Europe/Paris", None, "none")
    assert (slow.every, slow.overlap, slow.times) == (60.0, True, None)
    assert (often.every, often.overlap, often.times) == (10.0, False, 3)
    assert (nine.job.task, nine.job.payload) == ("digest", "{}")
    assert len(nine.next_firings()) == 5
    assert nine.next_firings(1) == (nine.next_at,)
    assert often.next_firings() == tuple((often.next_at or 0) + 10_000 * number for number in range(3))
    await app.aclose()


async def test_declaring_does_no_io_and_the_first_use_writes(app: Headrace, url: str, make: Make) -> None:
    app.schedule("nightly", cron="0 3 * * *", job=report_task(app).using(queue="slow", priority=5).call(7))
    if url != "memory:":
        async with make(url) as other:
            assert not await other.aschedules()
    await app.apending_count()
    assert await (await app.here()).storage.records(SCHEDULE)
    schedule = await stored(app, "nightly")
    assert (schedule.job.queue, schedule.job.priority, schedule.job.payload) == ("slow", 5, '{"day":7}')
    assert not schedule.edited
    await app.aclose()


async def test_what_is_declared_after_the_first_use_is_written_by_the_next_worker_or_look(app: Headrace) -> None:
    report = report_task(app)
    assert await app.apending_count() == 0
    app.schedule("a", every="1h", job=report.call())
    async with app.worker({"default": 1}):
        assert [record.name for record in await (await app.here()).storage.records(SCHEDULE)] == ["a"]
    app.schedule("b", every="1h", job=report.call())
    assert [schedule.name for schedule in await app.aschedules()] == ["a", "b"]
    app.schedule("c", every="1h", job=report.call())
    async with app.housekeeping():
        assert [record.name for record in await (await app.here()).storage.records(SCHEDULE)] == ["a", "b", "c"]
    await app.aclose()


async def test_a_queue_declared_after_the_schedule_has_its_say(app: Headrace) -> None:
    report = report_task(app)
    app.schedule("a", every="1h", job=report.using(queue="late").call())
    app.queue("late", concurrency=3)
    assert (await stored(app, "a")).job.queue == "late"
    await app.aclose()


def test_two_of_one_name_are_refused_where_the_second_is_declared(app: Headrace) -> None:
    report = report_task(app)
    app.schedule("nightly", every="1h", job=report.call())
    with pytest.raises(AlreadyRegistered, match=r"schedule 'nightly' is registered twice, .*; give one of them name="):
        app.schedule("nightly", every="2h", job=report.call())
    with pytest.raises(AlreadyRegistered):
        app.put_schedule("nightly", every="2h", job=report.call())
    app.every("1h")(report)
    with pytest.raises(AlreadyRegistered, match="schedule 'report' is registered twice"):
        app.cron("* * * * *")(report)
    app.cron("* * * * *", name="report:2")(report)
    assert [schedule.name for schedule in app.schedules()] == ["nightly", "report", "report:2"]


async def test_where_nothing_can_be_written_one_may_look_all_the_same(
    app: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_task(app)
    await report.aenqueue(1)
    storage = (await app.here()).storage

    async def refuse(puts: Sequence[Put]) -> Sequence[bool]:
        raise StoreReadOnly("jobs.db", "the disk is read-only")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "put", refuse)
        app.schedule("nightly", every="1h", job=report.call())
        assert not await app.aschedules()
        with pytest.raises(StoreReadOnly):
            await app.aput_schedule("other", every="1h", job=report.call())
    assert [schedule.name for schedule in await app.aschedules()] == ["nightly"]
    await app.aclose()


# --- redeclaring in a later process -----------------------------------------------------------------------------------


def declare(app: Headrace, **plan: Any) -> None:
    report = report_task(app)
    app.schedule("nightly", **{"cron": "0 3 * * *", "job": report.call(), **plan})


async def test_an_operators_edits_stand_until_the_declaration_changes(tmp_path: Any, make: Make) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    app = make(url)
    declare(app)
    await app.aschedules()
    await app.aedit_schedule("nightly", cron="0 5 * * *")
    await app.apause_schedule("nightly")
    await app.aclose()

    app = make(url)
    declare(app)
    schedule = await stored(app, "nightly")
    assert (schedule.cron, schedule.paused, schedule.edited) == ("0 5 * * *", True, True)
    await app.aclose()

    app = make(url)
    declare(app, tz="Europe/Paris")
    schedule = await stored(app, "nightly")
    assert (schedule.cron, schedule.tz) == ("0 3 * * *", "Europe/Paris")
    assert not schedule.paused
    assert not schedule.edited
    await app.aremove_schedule("nightly")
    assert not await app.aschedules()
    await app.aclose()

    app = make(url)
    declare(app)
    assert (await stored(app, "nightly")).cron == "0 3 * * *"
    await app.aclose()


async def test_ten_processes_that_declare_the_same_at_once_agree(tmp_path: Any, make: Make) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    apps = [make(url) for _ in range(10)]
    for number, app in enumerate(apps):
        declare(app, times=1 + number // 5)
    await asyncio.gather(*(app.aschedules() for app in apps))
    schedule = await stored(apps[0], "nightly")
    assert schedule.times in (1, 2)
    assert schedule.next_at is not None
    for app in apps:
        await app.aclose()


# --- operators --------------------------------------------------------------------------------------------------------


async def test_pause_resume_edit_remove(app: Headrace) -> None:
    app.clock = clock = ManualClock()
    report = report_task(app)
    app.schedule("hourly", cron="0 * * * *", job=report.call(1))
    first = (await stored(app, "hourly")).next_at
    assert first is not None

    await app.apause_schedule("hourly")
    await app.apause_schedule("hourly")
    clock.advance(5 * 3600)
    assert await app.aschedule_once() == 0
    assert (await stored(app, "hourly")).paused
    assert (await stored(app, "hourly")).next_firings() == ()
    await app.aresume_schedule("hourly")
    await app.aresume_schedule("hourly")
    assert await app.aschedule_once() == 0
    assert (await stored(app, "hourly")).next_at == first + 5 * HOUR

    edited = await app.aedit_schedule("hourly", every="30m", catch_up="all", overlap=False, job=report.call(2))
    assert edited == await stored(app, "hourly")
    assert (edited.cron, edited.every, edited.catch_up, edited.overlap) == (None, 1800.0, "all", False)
    assert (edited.job.payload, edited.edited) == ('{"day":2}', True)
    edited = await app.aedit_schedule("hourly", cron="*/5 * * * *", tz="Asia/Kolkata")
    assert (edited.cron, edited.every, edited.tz) == ("*/5 * * * *", None, "Asia/Kolkata")
    assert (await app.aedit_schedule("hourly", tz="UTC")).tz == "UTC"
    assert (await app.aedit_schedule("hourly", overlap=True, times=9)).times == 9

    await app.aremove_schedule("hourly")
    assert not await app.aschedules()
    await app.aclose()


async def test_run_enqueues_the_job_now_and_leaves_the_ticks_alone(app: Headrace) -> None:
    report = report_task(app)
    app.schedule("nightly", cron="0 3 * * *", job=report.using(queue="slow").call(7))
    app.schedule("alone", cron="0 3 * * *", overlap=False, job=report.call(8))
    before = await stored(app, "nightly")
    await app.apause_schedule("alone")
    receipt = await app.arun_schedule("nightly")
    job = await app.ajob(receipt)
    assert job is not None
    assert (job.state, job.queue, job.payload) == ("pending", "slow", '{"day":7}')
    assert job.options.headers == {"headrace-schedule": "nightly"}
    assert await stored(app, "nightly") == before
    first, second = await app.arun_schedule("alone"), await app.arun_schedule("alone")
    assert (first.duplicate, second.duplicate, second.id) == (False, True, first.id)
    await app.aclose()


async def test_schedules_that_a_program_makes_up_while_it_runs(app: Headrace) -> None:
    app.clock = clock = ManualClock()
    report = report_task(app)
    made = await app.aput_schedule("tenant:7", every="1h", catch_up="all", job=report.call(7))
    assert made == await stored(app, "tenant:7")
    assert made.declared == ""
    clock.advance(2 * 3600 + 1800)
    again = await app.aput_schedule("tenant:7", every="1h", catch_up="all", job=report.call(8))
    assert again.next_at == made.next_at
    assert await app.aschedule_once() == 2
    assert {job.payload for job in await app.ajobs()} == {'{"day":8}'}
    other = await app.aput_schedule("tenant:7", cron="* * * * *", job=report.call(8))
    assert other.next_at is not None
    assert 0 < other.next_at - clock.wall() <= 60_000
    await app.aclose()


@pytest.mark.parametrize("action", ["pause", "resume", "run", "remove", "edit"])
async def test_an_unknown_name_is_named(app: Headrace, action: str) -> None:
    with pytest.raises(ScheduleNotFound, match="there is no schedule 'nightli' in the store; headrace schedules lists"):
        await getattr(app, f"a{action}_schedule")("nightli")
    with pytest.raises(InvalidName):
        await getattr(app, f"a{action}_schedule")("no name\n")
    await app.aclose()


async def test_listing_goes_by_pages(app: Headrace) -> None:
    report = report_task(app)
    names = [f"s{number:03}" for number in range(25)]
    for name in reversed(names):
        app.schedule(name, every="1h", job=report.call())
    seen: list[str] = []
    after = None
    while True:
        page = await app.aschedules(limit=10, after=after)
        assert isinstance(page, Page)
        assert repr(page) == f"<Page of {len(page)} schedules>"
        seen += [schedule.name for schedule in page]
        after = page.next
        if after is None:
            break
    assert seen == names
    assert len(await app.aschedules(limit=25)) == 25
    assert (await app.aschedules(limit=25)).next is None
    assert [schedule.name for schedule in await app.aschedules(name="s007")] == ["s007"]
    assert not await app.aschedules(name="unknown")
    for name in names[:20]:
        await app.aremove_schedule(name)
    page = await app.aschedules(limit=3)
    assert [schedule.name for schedule in page] == names[20:23]
    assert [schedule.name for schedule in await app.aschedules(limit=3, after=page.next)] == names[23:]
    assert not await app.aschedules(name=names[0])
    with pytest.raises(ScheduleNotFound):
        await app.aremove_schedule(names[0])
    assert (await app.aput_schedule("s001b", every="1h", job=report.call())).fired == 0
    await app.aclose()


async def test_what_cannot_be_read_is_left_out_of_listings_and_can_be_replaced_and_removed(
    app: Headrace, caplog: pytest.LogCaptureFixture
) -> None:
    report = report_task(app)
    app.schedule("fine", every="1h", job=report.call())
    app.schedule("declared", every="1h", job=report.call())
    storage = (await app.here()).storage
    await storage.put([Put(SCHEDULE, name, "{}") for name in ("torn", "torn too")])
    assert [schedule.name for schedule in await app.aschedules()] == ["declared", "fine"]
    assert "schedule 'torn' can't be followed here" in caplog.text
    assert (await app.aput_schedule("torn", every="1h", job=report.call())).every == 3600.0
    with pytest.raises(HeadraceError):
        await app.apause_schedule("torn-too")
    await app.aremove_schedule("fine")
    await app.aclose()


def test_sync_programs_have_all_of_it(app: Headrace) -> None:
    report = report_task(app)
    app.schedule("a", every="1h", job=report.call())
    app.put_schedule("b", cron="0 3 * * *", job=report.call())
    assert [schedule.name for schedule in app.schedules()] == ["a", "b"]
    app.pause_schedule("a")
    app.resume_schedule("a")
    assert app.edit_schedule("a", every="2h").every == 7200.0
    assert app.job(app.run_schedule("a")) is not None
    assert app.schedule_once() == 0
    app.remove_schedule("a")
    assert [schedule.name for schedule in app.schedules(name="a")] == []


async def test_sync_calls_in_a_loop_say_what_to_use(app: Headrace) -> None:
    with pytest.raises(UseAsync, match="aschedules"):
        app.schedules()
    await app.aclose()


# --- ticking ----------------------------------------------------------------------------------------------------------


async def test_programs_without_a_worker_step_by_themselves(app: Headrace) -> None:
    app.clock = clock = ManualClock()
    report = report_task(app)
    for number in range(3):
        app.schedule(f"s{number}", every="1m", catch_up="all", job=report.call(number))
    assert await app.aschedule_once() == 0
    clock.advance(600)
    assert await app.aschedule_once() == 30
    assert await app.aschedule_once() == 0
    assert await app.apending_count() == 30
    await app.aclose()


async def test_stepping_until_nothing_is_due_passes_over_skipped_ticks(app: Headrace) -> None:
    app.clock = clock = ManualClock()
    report = report_task(app)
    app.schedule("alone", every="1s", overlap=False, catch_up="all", job=report.call(1))
    app.schedule("late", every="10m", catch_up="none", job=report.call(2))
    assert await app.aschedule_once() == 0
    clock.advance(900)
    steps = 0
    while await app.aschedule_once():
        steps += 1
    assert steps >= 9
    assert [job.payload for job in await app.ajobs()] == ['{"day":1}']
    assert (await stored(app, "alone")).fired == 900
    assert (await stored(app, "late")).fired == 0
    await app.aclose()


async def test_processes_that_step_at_the_same_moment_make_one_job_a_tick(tmp_path: Any, make: Make) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    clock = ManualClock()
    apps = [make(url) for _ in range(8)]
    for app in apps:
        app.clock = clock
        report = report_task(app)
        for number in range(10):
            app.schedule(f"s{number}", every="1m", catch_up="all", job=report.using(queue=f"q{number}").call(number))
    await apps[0].aschedules()
    start = clock.wall()
    enqueued = 0
    for _ in range(5):
        clock.advance(180)
        enqueued += sum(await asyncio.gather(*(app.aschedule_once() for app in apps)))
    assert enqueued == 150
    jobs = await apps[0].ajobs(limit=1_000)
    ticks = sorted((job.queue, job.due_at) for job in jobs)
    assert ticks == sorted((f"q{number}", start + 60_000 * tick) for number in range(10) for tick in range(1, 16))
    for app in apps:
        await app.aclose()


async def test_a_worker_ticks_in_real_time(app: Headrace) -> None:
    @app.every("100ms", times=3)
    @app.task
    async def beat() -> None: ...

    done = asyncio.Event()
    seen: list[str] = []

    def count(event: Any) -> None:
        seen.append(event.task)
        if len(seen) == 3:
            loop.call_soon_threadsafe(done.set)

    loop = asyncio.get_running_loop()
    app.on("queue.job.completed")(count)
    async with app.worker({"default": 1}):
        await asyncio.wait_for(done.wait(), 30)
    jobs = await app.ajobs(state="completed")
    assert len(jobs) == 3
    assert len({job.due_at for job in jobs}) == 3
    await app.aclose()


# --- bad input --------------------------------------------------------------------------------------------------------


def test_row_13_expressions_are_refused_where_they_are_written(app: Headrace) -> None:
    report = report_task(app)
    ways: list[Callable[[str, str], object]] = [
        lambda text, tz: app.cron(text, tz=tz),
        lambda text, tz: app.schedule("x", cron=text, tz=tz, job=report.call()),
        lambda text, tz: app.put_schedule("x", cron=text, tz=tz, job=report.call()),
        lambda text, tz: app.edit_schedule("there", cron=text, tz=tz),
    ]
    app.schedule("there", every="1h", job=report.call())
    bad = [
        "",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "0 0 31 2 *",
        "0 0 ? * *",
        "0 0 W * *",
        "* " * 6_000,
        "5-1 * * * *",
    ]
    for way in ways:
        for text in bad:
            with pytest.raises(InvalidCron):
                way(text, "UTC")
        with pytest.raises(InvalidCron, match="time zone 'Mars/Olympus' is not known"):
            way("* * * * *", "Mars/Olympus")
    assert [schedule.name for schedule in app.schedules()] == ["there"]
    assert not app.schedules()[0].edited


@pytest.mark.parametrize("every", [0, 0.05, "99ms", -1, math.nan, math.inf, True, None, "soon", "11000w", timedelta(0)])
def test_row_11_intervals_are_refused_where_they_are_written(app: Headrace, every: Any) -> None:
    report = report_task(app)
    app.schedule("there", every="1h", job=report.call())
    for way in (
        lambda: app.every(every),
        lambda: app.schedule("x", every=every, job=report.call()),
        lambda: app.put_schedule("x", every=every, job=report.call()),
        lambda: app.edit_schedule("there", every=every),
    ):
        with pytest.raises(InvalidDelay, match="every="):
            way()


BAD_PLANS: list[tuple[dict[str, Any], str]] = [
    ({}, "cron=None can't be used: say when"),
    ({"cron": "* * * * *", "every": 5}, "cron= and every= exclude each other"),
    ({"every": 5, "tz": "Europe/Paris"}, "an interval has no time zone"),
    ({"every": 5, "catch_up": "some"}, 'catch_up=\'some\' can\'t be used: it must be "last", "none" or "all"'),
    ({"every": 5, "catch_up": None}, "catch_up=None"),
    ({"every": 5, "overlap": 0}, "overlap=0 can't be used: it must be True or False"),
    ({"every": 5, "times": 0}, "times=0 can't be used: it must be a whole number from 1"),
    ({"every": 5, "times": True}, "times=True"),
    ({"every": 5, "jitter": 3}, "jitter=3 can't be used: schedules have no such option"),
]


@pytest.mark.parametrize(("plan", "why"), BAD_PLANS)
def test_other_words_are_refused_with_the_way_out(app: Headrace, plan: dict[str, Any], why: str) -> None:
    report = report_task(app)
    for way in (app.schedule, app.put_schedule):
        with pytest.raises(InvalidOption) as caught:
            way("x", **plan, job=report.call())
        assert why in str(caught.value)


def test_what_is_no_job_for_a_schedule_is_refused(app: Headrace) -> None:
    report = report_task(app)
    jobs: list[tuple[Any, str]] = [
        (report, "write task.call"),
        (report.using(delay=5), "write task.call"),
        (None, "it must be what task.call"),
        ("report", "it must be what task.call"),
        (report.using(id="0192f0c4-7a3e-7c11-8d52-6b1f0a9e4d37").call(), "each tick makes a job of its own"),
        (report.using(at=datetime(2026, 11, 20, tzinfo=UTC)).call(), "delay= is counted from each tick"),
    ]
    for job, why in jobs:
        with pytest.raises(InvalidOption) as caught:
            app.schedule("x", every=5, job=job)
        assert why in str(caught.value)
    with pytest.raises(InvalidOption, match="say what to enqueue"):
        app.schedule("x", every=5)  # type: ignore[call-arg]
    with pytest.raises(InvalidOption, match="the job has one of its own"):
        app.schedule("x", every=5, overlap=False, job=report.using(key="k").call())
    with pytest.raises(InvalidName):
        app.schedule("x y", every=5, job=report.call())


def test_decorators_in_the_wrong_order_or_on_a_task_with_arguments_are_refused(app: Headrace) -> None:
    with pytest.raises(InvalidOption, match=r"stand above @app\.task"):

        @app.every("1h")  # type: ignore[type-var]
        def plain() -> None: ...

    with pytest.raises(InvalidArguments):

        @app.cron("* * * * *")
        @app.task
        def greet(name: str) -> None: ...
