"""``headrace worker`` with real processes and signals: who dies, who takes over, how it ends."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervised import Supervised, is_alive, wait_until

from headrace import Headrace, Job, State

APP = """
import asyncio, os, time
from headrace import Headrace

app = Headrace("sqlite:///jobs.db", {options})

def sign(word):
    with open("signed", "a") as file:
        file.write(f"{{word}} {{os.getpid()}}\\n")

@app.task(name="quick")
async def quick() -> int:
    sign("quick")
    return os.getpid()

@app.task(name="long")
async def long() -> None:
    sign("long")
    await asyncio.sleep(300)

@app.task(name="block", timeout="300ms")
async def block() -> None:
    sign("block")
    time.sleep(300)

@app.task(name="deaf")
async def deaf() -> None:
    sign("deaf")
    while True:
        try:
            await asyncio.sleep(300)
        except asyncio.CancelledError:
            pass

{more}
"""


class Site:
    """A folder with an app in it, its store, and the supervisors that a test starts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Supervised] = []

    def write(self, more: str = "", options: str = "") -> None:
        (self.folder / "mail.py").write_text(APP.format(options=options, more=more))

    def start(self, *arguments: str, app: str = "mail:app", **environment: str) -> Supervised:
        supervised = Supervised(self.folder, app, *arguments, **environment)
        self.started.append(supervised)
        return supervised

    def enqueue(self, task: str) -> str:
        with Headrace(f"sqlite:///{self.folder}/jobs.db") as app:
            return app.enqueue(task).id

    def job(self, job_id: str) -> Job:
        with Headrace(f"sqlite:///{self.folder}/jobs.db") as app:
            job = app.job(job_id)
            assert job is not None
            return job

    def signed(self, word: str) -> list[int]:
        """Pids of the processes that ran this handler, in order."""
        try:
            lines = (self.folder / "signed").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.write()
    yield site
    for supervised in site.started:
        supervised.close()


def test_it_runs_jobs_and_ends_with_0(site: Site) -> None:
    worker = site.start("--processes", "2")
    children = worker.wait_ready(2)
    assert len(set(children)) == 2
    assert worker.pid not in children
    job_id = site.enqueue("quick")
    wait_until(lambda: site.job(job_id).state is State.COMPLETED, "the job completed")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output
    assert not any(map(is_alive, children))


def test_a_killed_child_is_replaced_and_its_job_runs_again_long_before_its_lease_ends(site: Site) -> None:
    worker = site.start("--processes", "2")
    worker.wait_ready(2)
    job_id = site.enqueue("long")
    wait_until(lambda: len(site.signed("long")) == 1, "the job runs")
    victim = site.signed("long")[0]
    before = site.job(job_id)
    killed_at = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(site.signed("long")) == 2, "it runs again", 10)
    assert time.monotonic() - killed_at < 10
    after = site.job(job_id)
    assert site.signed("long")[1] != victim
    assert (after.state, after.attempt, after.crashes) == (State.RUNNING, 1, 1)
    assert after.worker != before.worker
    assert after.generation > before.generation
    worker.wait_ready(3)
    assert "killed by signal 9" in worker.output
    worker.send(signal.SIGTERM)
    worker.wait_line("stopping")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output


def test_a_single_killed_child_is_replaced_too(site: Site) -> None:
    worker = site.start()
    (victim,) = worker.wait_ready()
    site.enqueue("long")
    wait_until(lambda: len(site.signed("long")) == 1, "the job runs")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(site.signed("long")) == 2, "it runs again", 10)


def test_no_child_outlives_a_killed_supervisor(site: Site) -> None:
    site.write(options='kill_after="500ms", patience="1s"')
    worker = site.start("--processes", "2", "-q", "default:2")
    children = worker.wait_ready(2)
    polite, deaf = site.enqueue("long"), site.enqueue("deaf")
    wait_until(lambda: bool(site.signed("long") and site.signed("deaf")), "both run")
    worker.send(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, children)), "the children end", 15)
    for job_id in (polite, deaf):  # handed back, not left to a lease
        job = site.job(job_id)
        assert (job.state, job.attempt, job.crashes) == (State.PENDING, 0, 0)


def test_no_child_that_starts_or_blocks_outlives_a_killed_supervisor(site: Site) -> None:
    site.write(
        'if os.environ.get("HANG"):\n    sign("import")\n    time.sleep(300)\n', 'kill_after="300ms", patience="0s"'
    )
    starting = site.start(HANG="1")
    wait_until(lambda: len(site.signed("import")) == 1, "it imports")
    starting.send(signal.SIGKILL)
    site.write(
        '@app.task(name="hold")\nasync def hold() -> None:\n    sign("hold")\n    time.sleep(300)\n',
        'kill_after="300ms", patience="0s"',
    )
    blocked = site.start()
    site.enqueue("hold")
    wait_until(lambda: len(site.signed("hold")) == 1, "it blocks")
    blocked.send(signal.SIGKILL)
    pids = [*site.signed("import"), *site.signed("hold")]
    wait_until(lambda: not any(map(is_alive, pids)), "the children end", 15)


def test_a_stop_hands_back_what_outlasts_the_grace_without_burning_an_attempt(site: Site) -> None:
    site.write(options='grace="300ms"')
    worker = site.start()
    worker.wait_ready()
    job_id = site.enqueue("long")
    wait_until(lambda: bool(site.signed("long")), "the job runs")
    assert site.job(job_id).attempt == 1
    worker.send(signal.SIGTERM)
    assert worker.end(15) == 0, worker.output
    job = site.job(job_id)
    assert (job.state, job.attempt, job.crashes) == (State.PENDING, 0, 0)


def test_a_second_signal_ends_the_grace_and_a_storm_is_no_worse(site: Site) -> None:
    worker = site.start("--processes", "2")
    children = worker.wait_ready(2)
    jobs = [site.enqueue("long") for _ in range(6)]
    wait_until(lambda: len(site.signed("long")) == 6, "all run")
    stopped_at = time.monotonic()
    for _ in range(30):
        worker.send(signal.SIGINT)
        worker.send(signal.SIGTERM)
        time.sleep(0.005)
    assert worker.end(15) == 0, worker.output
    assert time.monotonic() - stopped_at < 15  # the grace is 25 s
    assert not any(map(is_alive, children))
    for job_id in jobs:
        job = site.job(job_id)
        assert (job.state, job.attempt, job.crashes) == (State.PENDING, 0, 0)


def test_signals_that_an_init_system_sends_to_every_process_count_once(site: Site) -> None:
    site.write(
        '@app.task(name="second")\nasync def second() -> None:\n    sign("second")\n    await asyncio.sleep(1)\n'
    )
    worker = site.start()
    children = worker.wait_ready()
    job_id = site.enqueue("second")
    wait_until(lambda: bool(site.signed("second")), "the job runs")
    for pid in [*children, worker.pid, *children]:
        os.kill(pid, signal.SIGTERM)
    assert worker.end(20) == 0, worker.output
    assert site.job(job_id).state is State.COMPLETED


def test_a_fork_of_a_handler_hides_no_death(site: Site) -> None:
    site.write(
        '@app.task(name="fork")\nasync def fork() -> None:\n    pid = os.fork()\n    if pid == 0:\n'
        "        time.sleep(20)\n        os._exit(0)\n    os._exit(5)\n"
    )
    worker = site.start()
    worker.wait_ready()
    site.enqueue("fork")
    worker.wait_ready(2)
    assert "worker process died: exit code 5" in worker.output


def test_one_interrupt_lets_running_jobs_finish(site: Site) -> None:
    site.write(
        '@app.task(name="second")\nasync def second() -> None:\n    sign("second")\n    await asyncio.sleep(1)\n'
    )
    worker = site.start()
    worker.wait_ready()
    job_id = site.enqueue("second")
    wait_until(lambda: bool(site.signed("second")), "the job runs")
    worker.send(signal.SIGINT)
    assert worker.end(20) == 0, worker.output
    assert site.job(job_id).state is State.COMPLETED


def test_a_hang_up_of_the_terminal_stops_it(site: Site) -> None:
    worker = site.start()
    children = worker.wait_ready()
    worker.send(signal.SIGHUP)
    assert worker.end(15) == 0, worker.output
    assert not any(map(is_alive, children))


START = {
    "while it imports": 'if os.environ.get("HANG"):\n    sign("hang")\n    time.sleep(300)\n',
    "in a hook": '@app.on_worker_start\nasync def pool():\n    sign("hang")\n    await asyncio.sleep(300)\n',
}


@pytest.mark.parametrize("more", START.values(), ids=START.keys())
def test_a_stop_during_the_start_ends_it(site: Site, more: str) -> None:
    site.write(more)
    worker = site.start(HANG="1")
    wait_until(lambda: bool(site.signed("hang")), "it starts")
    worker.send(signal.SIGTERM)
    assert worker.end(15) == 0, worker.output
    assert not is_alive(site.signed("hang")[0])


def test_a_child_that_always_dies_at_its_start_ends_the_supervisor(site: Site) -> None:
    site.write('sign("import")\nos._exit(9)\n')
    worker = site.start("--processes", "2")
    assert worker.end(60) == 1
    assert 5 <= len(site.signed("import")) <= 6
    assert "5 worker processes in a row ended before they were ready (exit code 9): giving up" in worker.output


def test_a_handler_that_blocks_the_loop_beyond_its_timeout_costs_its_process_and_no_other_job(site: Site) -> None:
    site.write(options='kill_after="300ms", poll="200ms"')
    worker = site.start("-q", "default:2")
    (first,) = worker.wait_ready()
    job_id = site.enqueue("block")
    worker.wait_ready(2)
    assert "a timed-out handler blocked its event loop" in worker.output
    assert not is_alive(first)
    history = site.job(job_id).history
    assert [record.outcome for record in history] == ["timeout"]
    assert site.job(job_id).crashes == 0


def test_reload_restarts_children_when_code_changes_and_waits_while_it_is_broken(site: Site) -> None:
    worker = site.start("--reload")
    (first,) = worker.wait_ready()
    (site.folder / "mail.py").write_text("not python")
    worker.wait_line("waiting for the code to change")
    assert not is_alive(first)
    site.write('@app.task(name="new")\nasync def new() -> None:\n    sign("new")\n')
    worker.wait_ready(2)
    site.enqueue("new")
    wait_until(lambda: bool(site.signed("new")), "the new task runs")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output


def test_import_registers_tasks_of_another_module_and_log_lines_may_be_json(site: Site) -> None:
    (site.folder / "extra.py").write_text(
        "from mail import app, sign\n"
        '@app.task(name="extra", queue="other")\nasync def extra() -> None:\n    sign("extra")\n'
    )
    worker = site.start("--import", "extra", "--log-format", "json")
    worker.wait_line("worker_ready")
    ready = next(json.loads(line) for line in worker.lines if "worker_ready" in line)
    assert ready["queues"] == {"default": 4, "other": 4}
    assert ready["level"] == "info"
    with Headrace(f"sqlite:///{site.folder}/jobs.db") as app:
        app.enqueue("extra", queue="other")
    wait_until(lambda: bool(site.signed("extra")), "it runs")
    assert is_alive(ready["child"])
    assert all(json.loads(line) for line in worker.lines)


def newer_schema(folder: Path) -> None:
    with Headrace(f"sqlite:///{folder}/jobs.db") as app:
        app.counts()
    connection = sqlite3.connect(folder / "jobs.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def nothing(folder: Path) -> None:
    pass


REFUSED = {
    "no module": ("nowhere:app", "", nothing, 2, "there is no module 'nowhere'"),
    "no attribute": ("mail:application", "", nothing, 2, "module 'mail' has no 'application'; try mail:app"),
    "no app": ("mail:quick", "", nothing, 2, "mail:quick is of type Task, not a Headrace; try mail:app"),
    "a name only": ("mail", "", nothing, 2, "write module:attribute, such as mail:app"),
    "a module that raises": ("mail:app", "raise ValueError('broken')", nothing, 1, "ValueError: broken"),
    "memory": ("mail:other", "other = Headrace('memory:')", nothing, 2, "memory: keeps jobs inside the process"),
    "a newer schema": ("mail:app", "", newer_schema, 3, "has schema 99, this version knows up to 2"),
    "no folder": ("mail:other", "other = Headrace('sqlite:///a/b.db')", nothing, 4, "can't be reached"),
}


@pytest.mark.parametrize(("app", "more", "prepare", "code", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_start_says_so_once(
    site: Site, app: str, more: str, prepare: Callable[[Path], None], code: int, words: str
) -> None:
    site.write(more)
    prepare(site.folder)
    worker = site.start("--processes", "3", app=app)
    assert worker.end(20) == code
    assert worker.output.count(words) == 1
    assert ("Traceback" in worker.output) == (code == 1)
