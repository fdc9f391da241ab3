"""``headrace schedules``: what it prints, its exit codes, its JSON."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from shell import Shell

from headrace.model.record import SCHEDULE, Put


@pytest.fixture
def planned(shell: Shell) -> Shell:
    """Its store has the schedules of ``shop:planned``."""
    assert shell("migrate", "shop:planned").code == 0
    return shell


def test_the_list_tells_when_each_ticks_next(planned: Shell) -> None:
    ran = planned("schedules", "shop:planned")
    assert ran.code == 0
    titles, nine, often = ran.out.splitlines()
    assert titles.split() == ["NAME", "WHEN", "NEXT", "LAST", "TASK", "QUEUE", "NOTE"]
    assert nine.startswith("nine   0 9 * * 1-5 Europe/Paris  20")
    assert often.startswith("often  every 10 s                20")
    with planned.store() as app:
        assert [schedule.name for schedule in app.schedules()] == ["nine", "often"]


def test_the_list_as_json_goes_by_pages(planned: Shell) -> None:
    first = planned("schedules", "shop:planned", "--json", "--limit", "1").json
    (nine,) = first["schedules"]
    assert {name: nine[name] for name in ("name", "task", "queue", "cron", "tz", "every", "catch_up", "overlap")} == {
        "name": "nine",
        "task": "digest",
        "queue": "slow",
        "cron": "0 9 * * 1-5",
        "tz": "Europe/Paris",
        "every": None,
        "catch_up": "last",
        "overlap": True,
    }
    second = planned("schedules", "shop:planned", "--json", "--after", first["next"]).json
    assert [each["name"] for each in second["schedules"]] == ["often"]
    assert second["next"] is None
    assert "more: --after nine" in planned("schedules", "shop:planned", "--limit", "1").out


def test_a_store_without_schedules(shell: Shell) -> None:
    shell("migrate", "shop:app")
    assert shell("schedules", "shop:app").out == "no schedules\n"
    assert shell("schedules", "shop:app", "--json").json == {"schedules": [], "next": None}


def test_show_explains_the_next_five_firings(planned: Shell) -> None:
    shown = planned("schedules", "shop:planned", "show", "nine", "--json").json["schedules"][0]
    moments = [datetime.fromisoformat(text) for text in shown["next_firings"]]
    assert len(moments) == 5
    assert all(moment.astimezone(ZoneInfo("Europe/Paris")).hour == 9 for moment in moments)
    assert (shown["payload"], shown["sensitive"]) == ({}, False)
    lines = planned("schedules", "shop:planned", "show", "nine", "often").out.splitlines()
    assert [line.split()[0] for line in lines].count("fires") == 10
    assert sum(" 09:00:00+0" in line for line in lines) == 5
    assert 'payload   {"day": 2}' in lines


def test_pause_resume_and_edit_tell_what_comes_of_it(planned: Shell) -> None:
    assert planned("schedules", "shop:planned", "pause", "nine", "often").out == "nine: paused\noften: paused\n"
    assert planned("schedules", "shop:planned", "show", "nine", "--json").json["schedules"][0]["next_firings"] == []
    assert planned("schedules", "shop:planned", "resume", "nine").out.startswith("nine: 20")
    options = ["--cron", "*/5 * * * *", "--tz", "Asia/Tokyo", "--catch-up", "all", "--no-overlap", "--times", "7"]
    edited = planned("schedules", "shop:planned", "edit", "nine", *options, "--json").json["schedules"][0]
    assert (edited["cron"], edited["tz"], edited["catch_up"]) == ("*/5 * * * *", "Asia/Tokyo", "all")
    assert (edited["overlap"], edited["times"], edited["edited"]) == (False, 7, True)
    assert planned("schedules", "shop:planned", "edit", "nine", "--every", "90s").code == 0
    assert planned("schedules", "shop:planned").out.splitlines()[1].split()[:3] == ["nine", "every", "90"]
    assert planned("schedules", "shop:planned").out.splitlines()[1].endswith("edited")


def test_run_enqueues_now(planned: Shell) -> None:
    ran = planned("schedules", "shop:planned", "run", "often", "--json").json["often"]
    assert ran["duplicate"] is False
    with planned.store() as app:
        job = app.job(ran["id"])
    assert job is not None
    assert (job.task, job.queue, json.loads(job.payload)) == ("digest", "other", {"day": 2})
    again = planned("schedules", "shop:planned", "run", "often")
    assert again.out == f"often: job {ran['id']}, which is not final: overlap is off\n"


def test_remove_wants_yes(planned: Shell) -> None:
    planned("schedules", "shop:planned")
    ran = planned("schedules", "--storage", "sqlite:///jobs.db", "remove", "nine")
    assert ran.code == 2
    assert "schedule nine would be removed" in ran.out
    assert "repeat with --yes" in ran.err
    assert planned("schedules", "--storage", "sqlite:///jobs.db", "remove", "nine", "--yes").code == 0
    assert planned("schedules", "--storage", "sqlite:///jobs.db", "remove", "often", "--yes", "--json").json == {
        "removed": ["often"]
    }
    assert planned("schedules", "--storage", "sqlite:///jobs.db").out == "no schedules\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["shop:planned", "stop", "nine"], 2, "'stop' is none of show, pause, resume, run, edit, remove"),
        (["shop:planned", "pause"], 2, "pause takes names of schedules"),
        (["shop:planned", "edit", "nine"], 2, "edit takes what to change: --cron"),
        (["shop:planned", "pause", "nine", "--cron", "* * * * *"], 2, "--cron is for edit"),
        (["shop:planned", "--catch-up", "all"], 2, "--catch-up is for edit"),
        (["shop:planned", "edit", "nine", "--cron", "60 * * * *"], 2, "the minute can't be '60': it is 0 to 59"),
        (["shop:planned", "edit", "nine", "--cron", "0 0 31 2 *"], 2, "it never fires"),
        (["shop:planned", "edit", "nine", "--tz", "Mars/Olympus"], 2, "time zone 'Mars/Olympus' is not known"),
        (["shop:planned", "edit", "often", "--tz", "UTC"], 2, "an interval has no time zone"),
        (["shop:planned", "edit", "nine", "--every", "soon"], 2, "every='soon' can't be used"),
        (["shop:planned", "edit", "nine", "--times", "0"], 2, "times=0"),
        (["shop:planned", "edit", "nine", "--catch-up", "some"], 2, "catch_up='some'"),
        (["shop:planned", "show", "nobody"], 1, "there is no schedule 'nobody' in the store"),
        (["shop:planned", "pause", "nobody"], 1, "there is no schedule 'nobody' in the store"),
        (["shop:planned", "pause", "no name"], 2, "schedule name 'no name'"),
        (["shop:planned", "--limit", "0"], 2, "limit=0"),
    ],
)
def test_what_cannot_be_done_is_said(planned: Shell, arguments: list[str], code: int, words: str) -> None:
    ran = planned("schedules", *arguments)
    assert ran.code == code
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_schedule_that_cannot_be_followed_here_is_said_and_the_others_are_listed(planned: Shell) -> None:
    planned("schedules", "shop:planned")
    with planned.store() as app:

        async def put() -> None:
            storage = (await app.here()).storage
            nine = (await storage.records(SCHEDULE, names=["nine"]))[0].value
            odd = nine.replace('"nine"', '"odd"').replace("Europe/Paris", "Mars/Olympus")
            await storage.put([Put(SCHEDULE, "odd", odd), Put(SCHEDULE, "torn", "{}")])

        app.block("put", put)
    ran = planned("schedules", "shop:planned")
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["nine", "odd", "often"]
    ran = planned("schedules", "shop:planned", "show", "odd")
    assert ran.code == 0
    assert "time zone 'Mars/Olympus' is not known" in ran.err
