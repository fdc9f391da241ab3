"""Which ticks of a schedule are due, and what declaring, editing, pausing and resuming make of it."""

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.model.cron import parse_cron
from headrace.model.errors import ScheduleUnreadable
from headrace.model.job import Encoding, NewJob, Options, Until
from headrace.model.record import Record
from headrace.model.retry import RetryPolicy
from headrace.model.schedule import (
    LATE,
    SCHEDULE_HEADER,
    TICK_HEADER,
    CatchUp,
    Due,
    Schedule,
    due,
    edited,
    job_of,
    redeclared,
    resumed,
)
from headrace.model.schedule_record import CHANGED, digest, put_schedule, read_schedule

NOW = int(datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC).timestamp()) * 1000
MINUTE = 60_000
HOUR = 60 * MINUTE
JOB = NewJob("", "report", "default", "{}")
MOST = 1_000
STORED = msgspec.json.encode(Schedule("nightly", JOB, "* * * * *")).decode()


def declared(**fields: object) -> Schedule:
    """As declared now, with its first tick."""
    timing = {} if fields.keys() & {"cron", "every"} else {"cron": "* * * * *"}
    spec = Schedule(**{"name": "nightly", "job": JOB, **timing, **fields})
    made = redeclared(None, replace(spec, declared=digest(spec)), NOW)
    assert made is not None
    return made


def fire(schedule: Schedule, now: int, most: int = MOST) -> Due:
    found = due(schedule, now, most)
    assert found is not None
    return found


def drain(schedule: Schedule, now: int, most: int = MOST) -> tuple[list[int], Schedule]:
    """All that is due, step by step."""
    ticks: list[int] = []
    while (found := due(schedule, now, most)) is not None:
        assert len(found.ticks) <= most
        ticks += found.ticks
        schedule = found.after
    return ticks, schedule


# --- ticks ------------------------------------------------------------------------------------------------------------


def test_a_cron_schedule_first_ticks_when_its_expression_fires_next() -> None:
    assert declared().next_at == NOW + MINUTE // 2
    assert declared(cron="0 9 * * *", tz="Europe/Paris").next_at == NOW + 20 * HOUR - MINUTE // 2


def test_an_interval_first_ticks_one_interval_after_its_declaration() -> None:
    assert declared(every=10.0).next_at == NOW + 10_000
    assert declared(every=0.1).next_at == NOW + 100


def test_nothing_is_due_before_the_next_tick() -> None:
    schedule = declared()
    assert due(schedule, NOW, MOST) is None
    assert due(schedule, NOW + MINUTE // 2 - 1, MOST) is None
    assert due(schedule, NOW + MINUTE // 2, MOST) is not None


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_tick_on_time_fires_once_and_moves_the_cursor(catch_up: CatchUp) -> None:
    schedule = declared(catch_up=catch_up)
    found = fire(schedule, NOW + MINUTE // 2 + 5)
    assert found.ticks == [NOW + MINUTE // 2]
    assert found.after == replace(schedule, last_at=NOW + MINUTE // 2, next_at=NOW + 3 * MINUTE // 2, fired=1)
    assert due(found.after, NOW + MINUTE // 2 + 5, MOST) is None


@pytest.mark.parametrize("every", [0.1, 0.25, 1.0, 7.003, 90.0])
def test_intervals_keep_to_their_grid_however_late_they_are_served(every: float) -> None:
    schedule = declared(every=every)
    start, step, now = NOW, round(every * 1000), NOW
    for late in (0, 3, 50, 99, 10_000, 7, 0, 123_456):
        now = max(now, schedule.next_at or 0) + late
        found = fire(schedule, now)
        assert all((tick - start) % step == 0 and now - step < tick <= now for tick in found.ticks)
        schedule = found.after
        assert schedule.next_at is not None
        assert (schedule.next_at - start) % step == 0
        assert now < schedule.next_at <= now + step


# --- missed ticks -----------------------------------------------------------------------------------------------------


def test_last_makes_only_the_latest_missed_tick_good() -> None:
    ticks, after = drain(declared(), NOW + 10 * HOUR)
    assert ticks == [NOW + 10 * HOUR - MINUTE // 2]
    assert after.next_at == NOW + 10 * HOUR + MINUTE // 2


def test_all_makes_every_missed_tick_good_in_order_and_in_bounded_steps() -> None:
    ticks, after = drain(declared(catch_up=CatchUp.ALL), NOW + 10 * HOUR, most=7)
    assert ticks == [NOW + MINUTE // 2 + number * MINUTE for number in range(600)]
    assert after.next_at == NOW + 10 * HOUR + MINUTE // 2
    ticks, after = drain(declared(every=0.1, catch_up=CatchUp.ALL), NOW + HOUR)
    assert ticks == [NOW + 100 + number * 100 for number in range(36_000)]
    assert after.next_at == NOW + HOUR + 100


@pytest.mark.parametrize(("late", "fires"), [(0, 1), (LATE, 1), (LATE + 1, 0), (10 * HOUR, 0)])
def test_none_fires_only_what_is_at_most_a_minute_late(late: int, fires: int) -> None:
    schedule = declared(cron="0 13 * * *", catch_up=CatchUp.NONE)
    found = fire(schedule, (schedule.next_at or 0) + late)
    assert len(found.ticks) == fires
    assert found.after.fired == fires
    assert found.after.next_at == (schedule.next_at or 0) + 24 * HOUR


def test_none_never_fires_more_than_the_latest() -> None:
    found = fire(declared(every=1.0, catch_up=CatchUp.NONE), NOW + 10 * HOUR + 500)
    assert found.ticks == [NOW + 10 * HOUR]


@pytest.mark.parametrize("text", ["* * * * * *", "*/7 3 * * * *", "0 9 * * 1-5", "0 0 29 2 *", "30 2 * * *"])
@pytest.mark.parametrize("years", [0.001, 1, 9])
def test_the_latest_missed_tick_is_found_without_walking_through_the_others(text: str, years: float) -> None:
    schedule = declared(cron=text, tz="Europe/Paris")
    now = NOW + round(years * 365.25 * 86_400_000) + 678
    found = due(schedule, now, MOST)
    if found is None:
        assert schedule.next_at is not None
        assert schedule.next_at > now
        return
    (tick,) = found.ticks
    cron = parse_cron(text, "Europe/Paris")
    assert tick <= now < (cron.next(tick) or 0)
    assert cron.next(tick - 1) == tick


def test_times_ends_it_after_so_many_ticks() -> None:
    ticks, after = drain(declared(catch_up=CatchUp.ALL, times=3), NOW + HOUR)
    assert len(ticks) == 3
    assert after.next_at is None
    assert after.next_firings() == ()
    assert due(after, NOW + 100 * HOUR, MOST) is None
    assert resumed(replace(after, paused=True), NOW).next_at is None
    again = edited(after, replace(after, times=4), NOW + HOUR)
    assert again.next_firings(5) == (NOW + HOUR + MINUTE // 2,)


EVERY_KIND = st.sampled_from(
    [
        {"cron": "* * * * *"},
        {"cron": "30 2 * * *", "tz": "Europe/Paris"},
        {"cron": "*/20 * * * *", "tz": "Australia/Lord_Howe"},
        {"cron": "*/13 * * * * *"},
        {"every": 0.1},
        {"every": 77.7},
        {"every": 86400.0},
    ]
)
STEPS = st.lists(st.integers(-3 * HOUR, 12 * HOUR), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(EVERY_KIND, st.sampled_from(CatchUp), STEPS, st.integers(1, 50))
def test_row_17_wherever_the_clock_steps_no_tick_fires_twice_and_the_cursor_only_rises(
    timing: dict[str, object], catch_up: CatchUp, steps: list[int], most: int
) -> None:
    schedule = declared(catch_up=catch_up, **timing)
    now, fired = NOW, []
    for step in steps:
        now += step
        for _ in range(3):
            found = due(schedule, now, most)
            if found is None:
                break
            assert all(tick <= now for tick in found.ticks)
            fired += found.ticks
            assert found.after.next_at is not None
            assert schedule.next_at is not None
            assert found.after.next_at > schedule.next_at
            schedule = found.after
    assert all(later > sooner for sooner, later in pairwise(fired))
    assert schedule.fired == len(fired)


@settings(max_examples=100, deadline=None)
@given(EVERY_KIND, st.lists(st.integers(0, 40 * MINUTE), min_size=1, max_size=10))
def test_all_leaves_no_tick_out_whatever_the_pace(timing: dict[str, object], pauses: list[int]) -> None:
    schedule = declared(catch_up=CatchUp.ALL, **timing)
    expected = list(schedule.next_firings(100))
    now, fired = NOW, []
    for pause in pauses:
        now += pause
        ticks, schedule = drain(schedule, now, most=100)
        fired += ticks
    length = min(len(fired), len(expected))
    assert fired[:length] == expected[:length]


# --- declaring, editing, pausing --------------------------------------------------------------------------------------


def test_the_same_declaration_again_changes_nothing() -> None:
    stored = fire(declared(), NOW + HOUR).after
    assert redeclared(stored, declared(), NOW + 2 * HOUR) is None
    assert redeclared(replace(stored, paused=True, cron="0 0 * * *", edited=True), declared(), NOW) is None


def test_a_changed_declaration_replaces_what_is_stored_and_what_operators_did() -> None:
    stored = replace(fire(declared(), NOW + HOUR).after, paused=True, edited=True)
    new = redeclared(stored, declared(cron="0 9 * * *"), NOW + HOUR)
    assert new is not None
    assert (new.cron, new.paused, new.edited, new.fired) == ("0 9 * * *", False, False, 0)
    assert new.next_at == NOW + 21 * HOUR - MINUTE // 2
    assert new.last_at == stored.last_at


def test_another_job_on_the_same_times_leaves_the_cursor_where_it_was() -> None:
    stored = fire(declared(every=60.0), NOW + HOUR).after
    other = declared(every=60.0, job=replace(JOB, payload='{"day":1}'))
    new = redeclared(stored, other, NOW + HOUR + 59_000)
    assert new is not None
    assert new.job == other.job
    assert new.next_at == stored.next_at


def test_new_times_never_come_to_a_tick_that_was() -> None:
    stored = fire(declared(), NOW + HOUR).after
    new = redeclared(stored, declared(cron="*/2 * * * *"), NOW - 5 * HOUR)  # a clock that stepped back
    assert new is not None
    assert new.next_at is not None
    assert stored.last_at is not None
    assert new.next_at > stored.last_at


def test_what_passed_while_it_was_paused_is_not_made_good() -> None:
    for catch_up in CatchUp:
        paused = replace(declared(catch_up=catch_up), paused=True)
        assert due(paused, NOW + HOUR, MOST) is None
        assert paused.next_firings() == ()
        back = resumed(paused, NOW + HOUR)
        assert back.next_at == NOW + HOUR + MINUTE // 2
        assert due(back, NOW + HOUR, MOST) is None
        assert resumed(back, NOW + 9 * HOUR) == back


def test_a_resumed_interval_keeps_its_beat() -> None:
    paused = replace(declared(every=7.0), paused=True)
    back = resumed(paused, NOW + 100_000)
    assert back.next_at == NOW + 105_000
    assert resumed(paused, NOW + 105_000).next_at == NOW + 112_000
    assert resumed(paused, NOW).next_at == NOW + 7_000


def test_resumed_soon_after_it_was_paused_it_keeps_its_next_tick() -> None:
    paused = replace(declared(cron="0 13 * * *"), paused=True)
    assert resumed(paused, NOW + 1).next_at == paused.next_at
    assert resumed(replace(paused, next_at=None), NOW).next_at == paused.next_at


def test_an_edit_is_marked_and_moves_the_cursor_only_with_the_times() -> None:
    stored = fire(declared(every=60.0), NOW + HOUR).after
    same = edited(stored, replace(stored, overlap=False), NOW + HOUR + 5)
    assert (same.edited, same.overlap, same.next_at) == (True, False, stored.next_at)
    other = edited(stored, replace(stored, every=5.0), NOW + HOUR + 5)
    assert other.next_at == NOW + HOUR + 5_005


def test_a_digest_names_the_declaration_alone() -> None:
    one = Schedule(name="a", job=JOB, every=1.0)
    assert digest(one) == digest(Schedule(name="a", job=NewJob("", "report", "default", "{}"), every=1.0))
    others = [
        replace(one, name="b"),
        replace(one, every=2.0),
        replace(one, job=replace(JOB, payload='{"a":1}')),
        replace(one, catch_up=CatchUp.ALL),
        replace(one, overlap=False),
        replace(one, times=1),
        Schedule(name="a", job=JOB, cron="* * * * *"),
        Schedule(name="a", job=JOB, cron="* * * * *", tz="Europe/Paris"),
    ]
    assert len({digest(one), *map(digest, others)}) == 1 + len(others)


# --- the job ----------------------------------------------------------------------------------------------------------


def test_the_job_of_a_tick() -> None:
    template = NewJob(
        id="",
        task="report",
        queue="slow",
        payload="aGk=",
        encoding=Encoding.BYTES,
        priority=7,
        delay=1.5,
        key="k",
        until=Until.WINDOW,
        window=5.0,
        options=Options(timeout=3.0, retry=RetryPolicy.none(), headers={"trace": "t"}),
    )
    new = job_of(declared(job=template), NOW, "an id")
    assert (new.id, new.task, new.queue, new.payload, new.encoding) == ("an id", "report", "slow", "aGk=", "bytes")
    assert (new.priority, new.at, new.key, new.until, new.window) == (7, NOW + 1_500, "k", Until.WINDOW, 5.0)
    assert new.options.timeout == 3.0
    headers = {"trace": "t", SCHEDULE_HEADER: "nightly", TICK_HEADER: "2026-11-20T12:00:30Z"}
    assert new.options.headers == headers
    assert job_of(declared(), NOW + 100, "").options.headers[TICK_HEADER] == "2026-11-20T12:00:30.100Z"


def test_a_job_that_an_operator_wants_now_has_no_tick() -> None:
    new = job_of(declared(job=replace(JOB, delay=2.0)), None, "an id")
    assert (new.at, new.delay, new.options.headers) == (None, 2.0, {SCHEDULE_HEADER: "nightly"})


def test_without_overlap_a_key_of_the_schedule_holds_until_the_job_is_final() -> None:
    new = job_of(declared(overlap=False), NOW, "an id")
    assert (new.key, new.until, new.window) == ("schedule:nightly", Until.FINISHED, None)


def test_a_schedule_is_the_same_after_it_was_stored() -> None:
    schedule = fire(declared(every=0.1, catch_up=CatchUp.ALL, overlap=False, times=9), NOW + 300).after
    put = put_schedule(schedule, 7)
    assert (put.kind, put.name, put.expect) == ("schedule", "nightly", 7)
    assert put.kind != CHANGED.kind
    assert read_schedule(Record(put.kind, put.name, put.value or "", 8)) == schedule


UNREADABLE = [
    "",
    "null",
    "[]",
    "{}",
    '{"name":"nightly"}',
    STORED.replace('"cron":"* * * * *"', '"cron":"* * * * *","every":5'),
    STORED.replace(',"cron":"* * * * *"', ""),
    STORED.replace('"cron":"* * * * *"', '"every":0.05'),
    STORED.replace('"cron":"* * * * *"', '"every":-1'),
    STORED.replace('"cron":"* * * * *"', '"cron":5'),
    STORED.replace('"nightly",', '"nightly","catch_up":"sometimes",'),
    STORED.replace('"nightly",', '"nightly","next_at":"soon",'),
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_this_version_cannot_read_is_named(value: str) -> None:
    assert value != STORED
    with pytest.raises(ScheduleUnreadable, match="schedule 'nightly' can't be followed here: "):
        read_schedule(Record("schedule", "nightly", value, 1))


def test_what_a_later_version_adds_is_no_obstacle() -> None:
    value = STORED.replace('"nightly",', '"nightly","colour":"red",')
    assert read_schedule(Record("schedule", "nightly", value, 1)) == Schedule("nightly", JOB, "* * * * *")
