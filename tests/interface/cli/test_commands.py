"""Each command, its exit code, and its JSON."""

import io
import json
import os
import sqlite3
import sys

import pytest
from shell import Shell

from headrace import State
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.migrating import LATEST
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

UNKNOWN = Ids(SystemClock()).new()
"""Too young to have been removed."""
EVIL = "\x1b]0;title\x07[bold red]:smile:\u202e\x9b2J"


def enqueue(shell: Shell, *arguments: str) -> str:
    ran = shell("enqueue", "shop:app", *arguments)
    assert ran.code == 0, ran.err
    return ran.out.strip()


def dead_job(shell: Shell, text: str = "no") -> str:
    job_id = enqueue(shell, "fail", json.dumps({"text": text}))
    shell.work()
    return job_id


# --- enqueue ---------------------------------------------------------------------------------------------------------


def test_enqueue_takes_everything_that_using_takes(shell: Shell) -> None:
    own = UNKNOWN
    options = ["--queue", "slow", "--delay", "90", "--priority", "low", "--key", "k", "--until", "claimed"]
    more = ["--max-attempts", "7", "--timeout", "30s", "--id", own]
    assert enqueue(shell, "send", '{"to": "ada"}', *options, *more) == own
    with shell.store() as app:
        job = app.job(own)
    assert job is not None
    assert (job.queue, job.state, job.priority, job.key) == ("slow", State.SCHEDULED, 10_000, "k")
    assert (job.options.max_attempts, job.options.timeout) == (7, 30.0)
    assert json.loads(job.payload) == {"to": "ada"}
    assert job.due_at - job.enqueued_at == 90_000


def test_enqueue_says_when_a_key_is_held(shell: Shell) -> None:
    first = enqueue(shell, "send", '{"to": "ada"}', "--key", "k")
    again = shell("enqueue", "shop:app", "send", '{"to": "bob"}', "--key", "k", "--json")
    assert again.json == {"id": first, "duplicate": True, "payload_differs": True}


def test_enqueue_needs_no_app_and_no_arguments_and_may_read_stdin(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_URL", "sqlite:///jobs.db")
    assert shell("enqueue", "a:task/of.somebody").code == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"to": "é"}'.encode())))
    assert shell("enqueue", "other", "-").code == 0
    with shell.store() as app:
        assert {(job.task, job.payload) for job in app.jobs()} == {
            ("a:task/of.somebody", "{}"),
            ("other", '{"to":"é"}'),
        }


def test_enqueue_warns_of_a_task_that_the_app_does_not_register(shell: Shell) -> None:
    ran = shell("enqueue", "shop:app", "sned")
    assert ran.code == 0
    assert "registers no task 'sned'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["send", '{"to": '], "not JSON"),
        (["send", "[1]"], "must be a JSON object"),
        (["send", '{"to": NaN}'], "NaN, which is no JSON"),
        (["send", '{"to": "a", "to": "b"}'], "name 'to' twice"),
        (["send", '{"to": ' + "[" * 100_000], "nested too deep"),
        (["send", '{"to": ' + "9" * 5000 + "}"], "can't be read"),
        (["send", '{"wrong": 1}'], "don't fit its signature"),
        (["send", "a", "b", "{}"], "enqueue takes"),
        (["se nd"], "task name 'se nd'"),
        (["send", '{"to":"a"}', "--delay", "soon"], "delay='soon'"),
        (["send", '{"to":"a"}', "--delay", "-1s"], "delay='-1s'"),
        (["send", '{"to":"a"}', "--priority", "1e3"], "priority='1e3'"),
        (["send", '{"to":"a"}', "--at", "tomorrow"], "at='tomorrow'"),
        (["send", '{"to":"a"}', "--at", "2030-01-01T00:00:00"], "naive datetime"),
        (["send", '{"to":"a"}', "--id", "7"], "must be a UUID"),
        (["send", '{"to":"a"}', "--queue", "a b"], "queue name"),
    ],
)
def test_enqueue_refuses_with_2(shell: Shell, arguments: list[str], words: str) -> None:
    ran = shell("enqueue", "shop:app", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not ran.out


# --- looking ---------------------------------------------------------------------------------------------------------


def test_jobs_filters_and_pages(shell: Shell) -> None:
    sent = [enqueue(shell, "send", '{"to": "ada"}') for _ in range(3)]
    enqueue(shell, "fail", '{"text": "x"}')
    first = shell("jobs", "shop:app", "--queue", "email", "--state", "pending", "--limit", "2", "--json").json
    second = shell("jobs", "shop:app", "-t", "send", "--limit", "2", "--after", first["next"], "--json").json
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == sent[::-1]
    assert second["next"] is None
    listed = shell("jobs", "shop:app")
    assert all(job_id in listed.out for job_id in sent)


def test_jobs_of_an_empty_store(shell: Shell) -> None:
    assert shell("migrate", "shop:app").out == f"sqlite:///jobs.db has schema {LATEST}\n"
    assert shell("jobs", "shop:app").out == "no jobs\n"
    assert shell("jobs", "shop:app", "--json").json == {"jobs": [], "next": None}


def test_show_has_arguments_history_and_traceback(shell: Shell) -> None:
    job_id = dead_job(shell)
    ran = shell("show", "shop:app", job_id, "--json")
    assert ran.json["payload"] == {"text": "no"}
    (attempt,) = ran.json["attempts"]
    assert (attempt["outcome"], attempt["error"]) == ("failed", "ValueError: no")
    assert "raise ValueError(text)" in attempt["traceback"]
    assert attempt["worker"] == ran.json["worker"]
    text = shell("show", "--storage", "sqlite:///jobs.db", job_id).out
    assert '  "text": "no"' in text
    assert "  | ValueError: no" in text or "|     raise ValueError(text)" in text


def test_show_has_progress_log_and_every_attempt(shell: Shell) -> None:
    job_id = enqueue(shell, "tell", '{"text": "half"}')
    shell.work()
    with shell.store() as store:
        store.run_now(job_id)
    shell.work()
    told = shell("show", "shop:app", job_id, "--json").json
    assert told["progress"] | {"at": None} == {"percent": 42.5, "message": "half", "at": None}
    lines = [(line["attempt"], line["level"], line["text"]) for line in told["log"]]
    assert lines == [(1, "warning", "line: half\nnext"), (2, "warning", "line: half\nnext")]
    first, second = told["attempts"]
    assert (first["attempt"], first["outcome"], first["error"]) == (1, "failed", "ValueError: again")
    assert (second["attempt"], second["outcome"], second["error"]) == (2, "completed", None)
    assert second["worker"] == told["worker"]
    assert first["worker"] != second["worker"]
    assert first["finished_at"] <= second["started_at"] <= second["finished_at"] == told["finished_at"]
    text = shell("show", "shop:app", job_id).out
    assert "progress: 42.5 % half (" in text
    assert " 1 warning line: half\n    next\n" in text
    assert "attempt 1: failed, " in text
    assert "attempt 2: completed, " in text


def test_show_of_a_job_that_told_nothing(shell: Shell) -> None:
    job_id = enqueue(shell, "send", '{"to": "ada"}')
    told = shell("show", "shop:app", job_id, "--json").json
    assert (told["progress"], told["log"], told["attempts"]) == (None, [], [])
    assert "progress" not in shell("show", "shop:app", job_id).out


def test_show_hides_what_is_sensitive(shell: Shell) -> None:
    job_id = enqueue(shell, "pin", '{"code": "31337"}')
    shell.work()
    for ran in (shell("show", "shop:app", job_id), shell("show", "shop:app", job_id, "--json")):
        assert ran.code == 0
        assert "31337" not in ran.out
    assert "hidden: the task is sensitive" in shell("show", "shop:app", job_id).out


def test_why_says_what_is_in_the_way(shell: Shell) -> None:
    waiting = enqueue(shell, "send", '{"to": "ada"}', "--delay", "1h")
    ran = shell("why", "shop:app", waiting)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first.startswith("It is not due before ")
    assert second == "And then: No live worker serves queue 'email'."
    told = shell("why", "--storage", "sqlite:///jobs.db", waiting, "--json").json
    assert (told["reason"], told["job_id"], told["queue"]) == ("not_due", waiting, "email")
    assert told["until"] == shell("show", "shop:app", waiting, "--json").json["due_at"]
    assert [other["reason"] for other in told["then"]] == ["no_worker"]


def test_why_of_a_dead_job_and_of_none(shell: Shell) -> None:
    job_id = dead_job(shell, EVIL)
    ran = shell("why", "shop:app", job_id)
    assert ran.code == 0
    assert "(exhausted): ValueError: " in ran.out
    assert not set(ran.out) & {"\x1b", "\x07", "\u202e", "\x9b"}
    ran = shell("why", "shop:app", UNKNOWN)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"headrace: job {UNKNOWN}: The store knows no such job.\n"
    ran = shell("why", "shop:app", UNKNOWN, "--json")
    assert (ran.code, ran.json["reason"]) == (1, "unknown")
    for wrong in (["why", "shop:app"], ["why", "shop:app", UNKNOWN, UNKNOWN], ["why", "shop:app", "7"]):
        assert shell(*wrong).code == 2


def test_stored_text_can_not_steer_the_terminal(shell: Shell) -> None:
    job_id = dead_job(shell, EVIL)
    teller = enqueue(shell, "tell", json.dumps({"text": EVIL}))
    shell.work()
    for ran in (shell("show", "shop:app", teller), shell("show", "shop:app", teller, "--json")):
        assert not set(ran.out) & {"\x1b", "\x07", "\u202e", "\x9b"}
        assert "[bold red]:smile:" in ran.out
    for arguments in (["jobs", "shop:app"], ["show", "shop:app", job_id], ["dead", "shop:app"]):
        for ran in (shell(*arguments), shell(*arguments, "--json")):
            assert ran.code == 0
            assert not set(ran.out) & {"\x1b", "\x07", "\u202e", "\x9b"}
            assert "[bold red]:smile:" in ran.out
    assert shell("show", "shop:app", job_id, "--json").json["payload"] == {"text": EVIL}


def test_stats_counts_by_queue_and_state(shell: Shell) -> None:
    dead_job(shell)
    enqueue(shell, "send", '{"to": "ada"}')
    counts = shell("stats", "shop:app", "--json").json
    assert counts["queues"]["email"]["pending"] == 1
    assert counts["total"] | {"pending": 1, "dead": 1} == counts["total"]
    assert [line.split()[0] for line in shell("stats", "shop:app").out.splitlines()] == [
        "QUEUE",
        "default",
        "email",
        "(all)",
    ]


def test_row_40_stats_and_lists_of_very_many_queues_stay_readable(shell: Shell) -> None:
    with shell.store() as app:
        calls = [app.by_name("t", {}, {"queue": f"q.{number:05}"}) for number in range(10_000)]
        app.enqueue_many([*calls, *calls[9_990:]])
    lines = shell("stats", "shop:app").out.splitlines()
    assert len(lines) == 53
    assert lines[50].split()[:3] == ["q.09999", "0", "2"]
    assert lines[51].split()[:3] == ["(all)", "0", "10010"]
    assert lines[52] == "9,950 smaller queues with 9,950 jobs left out; --all lists them"
    assert len(shell("stats", "shop:app", "--all").out.splitlines()) == 10_002
    assert len(shell("stats", "shop:app", "--json").json["queues"]) == 10_000
    page = shell("jobs", "shop:app", "--json").json
    assert (len(page["jobs"]), page["next"]) == (50, page["jobs"][-1]["id"])
    assert shell("dead", "shop:app").out == "no jobs\n"


def test_a_screen_cuts_notes_and_never_ids(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = dead_job(shell, "a long story" * 20)
    assert "a long story" * 20 in shell("jobs", "shop:app").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "130")
    line = shell("jobs", "shop:app").out.splitlines()[1]
    assert job_id in line
    assert line.endswith("…")
    assert "\x1b[31mdead" in line


# --- moving ----------------------------------------------------------------------------------------------------------


def test_cancel_tells_what_became_of_each(shell: Shell) -> None:
    waiting, ended, unknown = enqueue(shell, "send", '{"to": "ada"}'), dead_job(shell), UNKNOWN
    waiting = enqueue(shell, "send", '{"to": "ada"}', "--delay", "1h")
    ran = shell("cancel", "shop:app", waiting, ended, unknown, "--json")
    assert ran.code == 1
    assert ran.json == {waiting: "cancelled", ended: "already_final", unknown: "not_found"}
    assert shell("cancel", "shop:app", waiting).out == f"{waiting} had ended already\n"


def test_retry_goes_on_after_one_that_it_can_not_move(shell: Shell) -> None:
    waiting, dead = enqueue(shell, "send", '{"to": "ada"}', "--delay", "1h"), dead_job(shell)
    ran = shell("retry", "shop:app", waiting, dead, UNKNOWN)
    assert ran.code == 1
    assert f"{dead} goes back" in ran.out
    assert len(ran.err.splitlines()) == 2
    assert shell("show", "shop:app", dead, "--json").json["state"] == "pending"


@pytest.mark.parametrize(("option", "left"), [("--retry-all", "pending"), ("--clear", None)])
def test_dead_wants_a_yes(shell: Shell, option: str, left: str | None) -> None:
    job_id = dead_job(shell)
    asked = shell("dead", "shop:app", option)
    assert asked.code == 2
    assert "1 dead job would be" in asked.out
    assert "--yes" in asked.err
    assert shell("dead", "shop:app", option, "--task", "send").out.startswith("0 dead jobs")
    assert shell("dead", "shop:app", "--json").json["jobs"][0]["id"] == job_id
    done = shell("dead", "shop:app", option, "--task", "fail", "--yes")
    assert done.code == 0
    with shell.store() as app:
        job = app.job(job_id)
    assert (None if job is None else job.state) == left


def test_dead_jobs_are_chosen_by_reason_error_and_time(shell: Shell) -> None:
    no, other = dead_job(shell, "no"), dead_job(shell, "other")

    def listed(*options: str) -> list[str]:
        return [job["id"] for job in shell("dead", "shop:app", *options, "--json").json["jobs"]]

    assert listed("--reason", "exhausted", "--error", "ValueError") == [other, no]
    assert listed("--error", "ValueError: no") == [no]
    assert listed("--reason", "poison") == []
    assert listed("--finished-after", "1h") == [other, no]
    assert listed("--finished-before", "90") == []
    assert listed("--finished-before", "2020-01-01T00:00:00+00:00") == []
    assert listed("--finished-after", "2020-01-01T00:00:00Z", "--limit", "1") == [other]
    asked = shell("dead", "shop:app", "--retry", "--error", "ValueError: no")
    assert (asked.code, asked.out) == (2, "1 dead job would be sent back\n")
    assert shell("dead", "shop:app", "--retry", "--limit", "1", "--json").json == {"dead": 1}
    done = shell("dead", "shop:app", "--retry", "--error", "ValueError: no", "--yes", "--json")
    assert done.json == {"retried": 1, "key_held": 0}
    assert shell("dead", "shop:app", "--clear", "--finished-after", "1h", "--yes").out == "1 dead job removed\n"
    with shell.store() as app:
        assert app.counts() == {"default": {State.PENDING: 1}}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--reason", "Poison"], "reason='Poison'"),
        (["--finished-before", "2026-99-01"], "finished_before='2026-99-01'"),
        (["--finished-before", "2026-01-01T00:00:00"], "naive datetime"),
        (["--finished-after", "-5s"], "finished_after='-5s'"),
        (["--limit", "0"], "limit=0"),
        (["--retry", "--yes", "--limit", "-1"], "limit=-1"),
        (["--clear", "--after", "x", "--yes"], "--after is for lists"),
        (["--clear", "--retry-all"], "exclude each other"),
        (["--task", "a b"], "task name 'a b'"),
    ],
)
def test_dead_refuses_with_2(shell: Shell, options: list[str], words: str) -> None:
    job_id = dead_job(shell)
    ran = shell("dead", "shop:app", *options)
    assert ran.code == 2
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1
    assert shell("show", "shop:app", job_id, "--json").json["state"] == "dead"


# --- the store -------------------------------------------------------------------------------------------------------


def test_doctor(shell: Shell) -> None:
    missing = shell("doctor", "shop:app", "--json")
    assert missing.code == 0
    assert "schema" not in missing.json
    assert not (shell.folder / "jobs.db").exists()
    dead_job(shell)
    report = shell("doctor", "shop:app", "--json").json
    assert report["schema"] == LATEST
    assert report["dead"] == 1
    assert "survives" in report["promise"]
    assert report["sqlite"] == sqlite3.sqlite_version
    assert not any("every user" in warning for warning in report["warnings"])
    shell.folder.chmod(0o777)
    (shell.folder / "jobs.db").chmod(0o644)
    warnings = shell("doctor", "shop:app").out
    assert "every user of this machine can put files into" in warnings
    assert "has mode 0644" in warnings


def test_doctor_sees_a_clock_that_was_stepped_back(shell: Shell) -> None:
    job_id = enqueue(shell, "send", '{"to": "ada"}')
    connection = sqlite3.connect(shell.folder / "jobs.db")
    connection.execute("UPDATE jobs SET enqueued_at = enqueued_at + 3600000")
    connection.commit()
    connection.close()
    assert job_id
    assert any("stepped back" in warning for warning in shell("doctor", "shop:app", "--json").json["warnings"])


@pytest.mark.parametrize(("seconds", "warned"), [(-3600, True), (-6, True), (-4, False), (4, False), (6, True)])
def test_row_17_doctor_compares_the_clocks_both_ways(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, seconds: int, warned: bool
) -> None:
    enqueue(shell, "send", '{"to": "ada"}')
    now = SqliteStorage.now

    async def elsewhere(storage: SqliteStorage) -> int:
        return await now(storage) + seconds * 1000

    monkeypatch.setattr(SqliteStorage, "now", elsewhere)
    warnings = [text for text in shell("doctor", "shop:app", "--json").json["warnings"] if "machine's clock" in text]
    assert bool(warnings) is warned
    if warned:
        assert f"differ by {abs(seconds)} s" in warnings[0]


def test_a_newer_schema_is_3_everywhere(shell: Shell) -> None:
    enqueue(shell, "send", '{"to": "ada"}')
    connection = sqlite3.connect(shell.folder / "jobs.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for command in ("jobs", "stats", "dead", "doctor", "migrate"):
        ran = shell(command, "shop:app")
        assert ran.code == 3, command
        assert "has schema 99" in ran.err
        assert "Traceback" not in ran.err
    assert shell("doctor", "shop:app", "--json").json["schema"] == 99


def test_a_store_that_is_not_there_is_4_and_is_not_made(shell: Shell) -> None:
    for arguments in (["jobs"], ["stats"], ["dead"], ["show", UNKNOWN], ["cancel", UNKNOWN]):
        ran = shell(*arguments, "--storage", "sqlite:///typo.db")
        assert ran.code == 4
        assert "there is no such file" in ran.err
    assert not (shell.folder / "typo.db").exists()
    assert "HEADRACE_URL" in shell("jobs").err


def test_a_damaged_store_is_4(shell: Shell) -> None:
    (shell.folder / "jobs.db").write_bytes(b"not a database at all" * 100)
    assert shell("jobs", "shop:app").code == 4


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jobs", "shop"], "write module:attribute"),
        (["jobs", "nowhere.at.all:app"], "there is no module 'nowhere.at.all'"),
        (["jobs", "shop:nothing"], "module 'shop' has no 'nothing'; try shop:app"),
        (["jobs", "shop:send"], "is of type Task, not a Headrace"),
        (["jobs", "shop:memory"], "memory: keeps jobs inside the process"),
        (["jobs", "shop:app", "--storage", "sqlite:///jobs.db"], "not both"),
        (["doctor", "shop:app", "--storage", "sqlite:///jobs.db"], "not both"),
        (["jobs", "--storage", "redis://user:hunter2@host/0"], "no storage for 'redis://user:***@host/0'"),
        (["show", "not-an-id", "--storage", "sqlite:///jobs.db"], "the id of a job"),
        (["worker", "shop:app", "-q", "a:0"], "slots of a=0"),
        (["worker", "shop:app", "-q", "a:x"], "slots of a='x'"),
        (["worker", "shop:app", "-q", "a,b,a"], "queue 'a' is named twice"),
        (["worker", "shop:app", "-q", "a b"], "queue name 'a b'"),
        (["worker", "shop:app", "--processes", "0"], "processes=0"),
        (["worker", "shop"], "write module:attribute"),
    ],
)
def test_usage_errors_are_2_and_one_line(shell: Shell, arguments: list[str], words: str) -> None:
    with shell.store() as app:
        app.counts()
    ran = shell(*arguments)
    assert words in ran.err
    assert "hunter2" not in ran.err
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_a_dotted_attribute_names_an_app(shell: Shell) -> None:
    enqueue(shell, "send", '{"to": "ada"}')
    assert shell("stats", "shop:Nested.inner").code == 0


def test_arguments_and_settings_must_be_utf_8(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = shell("jobs", os.fsdecode(b"shop:\xff"))
    assert (ran.code, ran.err) == (2, "headrace: argument 2 is not UTF-8: byte 5\n")
    monkeypatch.setenv("HEADRACE_URL", os.fsdecode(b"sqlite:///\xfe"))
    ran = shell("jobs")
    assert (ran.code, ran.err) == (2, "headrace: HEADRACE_URL is not UTF-8: byte 10\n")


def test_unknown_commands_and_options_are_2(shell: Shell) -> None:
    assert shell("nonsense").code == 2
    assert shell("jobs", "--nonsense").code == 2
    assert shell("--version").out == "0.1.0\n"
    assert shell("--help").code == 0
