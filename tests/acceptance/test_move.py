"""``headrace move`` as real processes: everything goes over, whatever breaks it off, and work goes on there."""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from supervised import Supervised

from headrace.interface.cli.demo.ledger import read_ledger
from headrace.model import lifecycle
from headrace.model.job import Encoding, Job, NewJob, Notes, Options, Until
from headrace.model.outcome import Failure, Raised, Returned, Snoozed
from headrace.model.record import KV, LIMIT, QUEUE, SCHEDULE, Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Filter, Storage
from headrace.storage.moving import Row
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

HEADRACE = str(Path(sys.executable).with_name("headrace"))
SOON = 60.0
CLOCK = SystemClock()
IDS = Ids(CLOCK)


def headrace(*words: str, code: int = 0, **environment: str) -> str:
    """What the command prints."""
    ran = subprocess.run(
        [HEADRACE, *words], capture_output=True, text=True, timeout=SOON, check=False, env={**os.environ, **environment}
    )
    assert ran.returncode == code, f"{words}: {ran.returncode} {ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


async def opened(url: str) -> Storage:
    storage = open_url(url, clock=CLOCK)
    await storage.open()
    return storage


async def rows_of(url: str) -> list[Row]:
    storage = await opened(url)
    rows: list[Row] = []
    after: str | None = None
    while True:
        page = await storage.dump(limit=5_000, after=after)
        rows += page.rows
        after = page.next
        if after is None:
            break
    await storage.close()
    return rows


def rows(url: str) -> list[Row]:
    return asyncio.run(rows_of(url))


async def fill(url: str, jobs: int) -> None:
    """Jobs of every state and kind; keys, schedules, limits, a paused queue, kv and a timeline. Nobody lives there."""
    storage, dice = await opened(url), random.Random(1)
    number = 0
    while number < jobs:
        news = [new_job(number + step, dice) for step in range(min(2_000, jobs - number))]
        number += len(news)
        await storage.insert(news)
        await storage.beat("w", [], 60.0)
        held = await storage.claim("w", [Demand(f"q{queue}", 300) for queue in range(3)])
        await storage.apply([change for job in held if (change := settled(job, dice)) is not None])
    page = await storage.find(Filter(frozenset({State.PENDING})), limit=jobs // 20 + 1)
    changes = [lifecycle.cancel(job) for job in page.jobs]
    await storage.apply([change for change in changes if change is not None])
    await storage.put([Put(QUEUE, "q1", '{"paused":true}'), Put(SCHEDULE, "nightly", '{"a":1}'), Put(LIMIT, "x", "{}")])
    await storage.put([Put(KV, f"name {n}", json.dumps({"n": n}), ttl=None if n % 2 else 600.0) for n in range(200)])
    await storage.record([Entry(f"e{n}", f"kind{n % 3}", f"q{n % 3}", n // 3, "{}") for n in range(500)])
    await storage.beat("w", [], 0.0)
    await storage.close()


def new_job(number: int, dice: random.Random) -> NewJob:
    key = f"key {number}" if number % 5 == 0 else None
    until = dice.choice(list(Until))
    return NewJob(
        IDS.new(),
        "task",
        f"q{number % 3}",
        "aGk=" if number % 7 == 0 else json.dumps({"n": number, "text": "é\u0000" * (number % 4)}),
        Encoding.BYTES if number % 7 == 0 else Encoding.JSON,
        priority=dice.choice([1, 1000, 1000, 32767]),
        delay=dice.choice([0.0, 0.0, 0.0, 3600.0]),
        key=key,
        until=until,
        window=3600.0 if until is Until.WINDOW else None,
        options=Options(max_attempts=3, retention={"dead": 5.0}, headers={"a": "b"}) if number % 11 == 0 else Options(),
    )


def settled(job: Job, dice: random.Random) -> Any:
    """What became of a claim; None: it runs on."""
    failed = Raised(Failure("ValueError", "no\u00e9"), final=dice.random() < 0.5)
    outcome = dice.choice([Returned(b"[1]"), Returned(), failed, Snoozed(60.0, "snoozed"), None, "noted"])
    if outcome == "noted":
        return lifecycle.note(job, Notes(percent=dice.random() * 100, message="on its way"))
    return None if outcome is None else lifecycle.settle(job, outcome, RetryPolicy(base=3600.0), 0.5)


# --- everything ------------------------------------------------------------------------------------------------------


def test_twenty_thousand_jobs_from_sqlite_to_postgres_and_back(tmp_path: Path, fresh_postgres: str) -> None:
    source, back = f"sqlite:///{tmp_path / 'jobs.db'}", f"sqlite:///{tmp_path / 'back.db'}"
    asyncio.run(fill(source, 20_000))
    before = rows(source)
    report = json.loads(headrace("move", source, fresh_postgres, "--json"))
    states = Counter(row.state.value for row in before if isinstance(row, Job))
    assert set(states) == {"pending", "scheduled", "retrying", "completed", "dead", "cancelled"}
    assert (report["rows"]["jobs"], sum(states.values())) == (states, 20_000)
    assert report["rows_carried"] == len(before)
    assert [untimed(row) for row in rows(fresh_postgres)] == [untimed(row) for row in before]
    headrace("move", fresh_postgres, back)
    assert [untimed(row) for row in rows(back)] == [untimed(row) for row in before]


def untimed(row: Row) -> Any:
    """What does not run down."""
    return row.record if hasattr(row, "lapses_in") else row


# --- broken off ------------------------------------------------------------------------------------------------------


EVERY = bool(os.environ.get("HEADRACE_EVERY_CLASS"))


@pytest.mark.parametrize(("where", "step"), [("sqlite", 1 if EVERY else 3), ("postgres", 1 if EVERY else 7)])
def test_killed_at_any_call_it_goes_on(tmp_path: Path, request: pytest.FixtureRequest, where: str, step: int) -> None:
    targets = f"sqlite:///{tmp_path}/target_{{number}}.db"
    if where == "postgres":
        targets = f"{request.getfixturevalue('fresh_postgres')}?schema=m_{{number}}"
    asyncio.run(fill(f"sqlite:///{tmp_path / 'whole.db'}", 30))
    with sqlite3.connect(tmp_path / "whole.db") as whole, sqlite3.connect(tmp_path / "filled.db") as copy:
        whole.execute("DELETE FROM records WHERE kind = 'kv' AND name > 'name 12'")
        whole.execute("DELETE FROM timeline WHERE at > 5")
        whole.commit()
        whole.backup(copy)
    program = [sys.executable, str(Path(__file__).with_name("breaking_off.py")), str(tmp_path), targets]
    ran = subprocess.run([*program, str(step)], capture_output=True, text=True, timeout=SOON, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(ran.stdout) >= 50 / step


# --- who had it open -------------------------------------------------------------------------------------------------

APP = """
import asyncio
from headrace import Headrace

app = Headrace({url!r}, grace="20s")

@app.task(name="long")
async def long() -> None:
    await asyncio.sleep(300)
"""


async def enqueue(url: str, job: NewJob) -> None:
    storage = await opened(url)
    await storage.insert([job])
    await storage.close()


async def state_of(url: str, job_id: str) -> State | None:
    storage = await opened(url)
    (job,) = await storage.get([job_id])
    await storage.close()
    return None if job is None else job.state


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_a_worker_is_cut_off_and_ends_and_says_why(
    tmp_path: Path, request: pytest.FixtureRequest, backend: str
) -> None:
    old, new = f"sqlite:///{tmp_path / 'jobs.db'}", f"sqlite:///{tmp_path / 'new.db'}"
    if backend == "postgres":
        old = request.getfixturevalue("fresh_postgres")
    (tmp_path / "app.py").write_text(APP.format(url=old))
    job_id = IDS.new()
    asyncio.run(enqueue(old, NewJob(job_id, "long", "default", "{}")))
    worker = Supervised(tmp_path, "app:app", "--processes", "2")
    try:
        worker.wait_ready(2)
        worker.wait_for(lambda: asyncio.run(state_of(old, job_id)) is State.RUNNING, "it runs")
        assert "2 workers live on" in headrace("move", old, new, code=1)
        headrace("move", old, new, "--force")
        assert worker.end() == 4
    finally:
        worker.close()
    assert "was moved to" in worker.output
    assert "giving up" in worker.output
    assert "Traceback" not in worker.output
    (job,) = [row for row in rows(new) if isinstance(row, Job)]
    assert (job.id, job.state, job.attempt, job.generation) == (job_id, State.PENDING, 0, 2)


def test_whoever_has_it_open_is_stopped_of_whatever_version(tmp_path: Path, fresh_postgres: str) -> None:
    """Triggers know no versions: these connections know nothing of marks."""
    path = tmp_path / "jobs.db"
    asyncio.run(enqueue(f"sqlite:///{path}", NewJob(IDS.new(), "t", "q", "{}")))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO workers VALUES ('w', 'b', 1)")
        connection.commit()
        headrace("move", f"sqlite:///{path}", fresh_postgres)
        for statement in ("UPDATE workers SET ends_at = 2", "DELETE FROM workers"):
            with pytest.raises(sqlite3.IntegrityError, match="headrace: this store was moved to postgresql://"):
                connection.execute(statement)

    async def write() -> None:
        other = await asyncpg.connect(fresh_postgres)
        await other.execute("INSERT INTO headrace.workers VALUES ('v', 1)")
        await asyncio.to_thread(headrace, "move", fresh_postgres, f"sqlite:///{tmp_path / 'back.db'}")
        for statement in ("UPDATE headrace.workers SET ends_at = 2", "DELETE FROM headrace.jobs"):
            with pytest.raises(asyncpg.PostgresError, match="headrace: this store was moved to sqlite:///") as refused:
                await other.execute(statement)
            assert refused.value.sqlstate == "HRMVD"
        await other.close()

    asyncio.run(write())


# --- the demo --------------------------------------------------------------------------------------------------------


def completed(path: Path) -> int:
    if not path.exists():
        return 0
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM jobs WHERE state = 'completed'").fetchone()[0])


def row(output: str, label: str) -> int:
    found = re.search(rf"^│ {label} +│ +([\d,]+) │", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def test_the_demos_half_done_store_is_finished_on_postgres(tmp_path: Path, fresh_postgres: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    words = ["demo", "--files", "200", "--folder", str(here)]
    with subprocess.Popen([HEADRACE, *words], stdout=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + SOON
        while completed(here / "jobs.db") < 40:
            assert time.monotonic() < deadline, "the demo does not get on"
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait(SOON)
    acknowledged = set(read_ledger(here / "acknowledged.txt"))
    assert completed(here / "jobs.db") < len(acknowledged)
    headrace("move", f"sqlite:///{here / 'jobs.db'}", fresh_postgres, "--force")
    output = headrace("demo", "--storage", fresh_postgres, "--files", "50", "--folder", str(there))
    assert "jobs wait here since an earlier run. They are done first." in output
    assert (row(output, "completed"), row(output, "lost")) == (50, 0)
    jobs = [job for job in rows(fresh_postgres) if isinstance(job, Job)]
    assert {job.state for job in jobs} == {State.COMPLETED}
    ids = [job.id for job in jobs]
    assert len(set(ids)) == len(ids)
    assert acknowledged | set(read_ledger(there / "acknowledged.txt")) <= set(ids)
