"""Handlers that do what no handler should, in real workers: which die of it, what becomes of the others."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hostile
import pytest
from supervised import PATIENCE, Supervised, is_alive, wait_until

from headrace import Headrace, Job, State

WHERE = ["loop", "thread", "process"]
PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])


class Site:
    """A worker of hostile:app, and its store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = Headrace(f"sqlite:///{folder}/jobs.db", poll="50ms")
        self.started: list[Supervised] = []

    def start(self, *arguments: str) -> Supervised:
        self.started.append(Supervised(self.folder, "hostile:app", "-q", "default:3", *arguments, PYTHONPATH=PATH))
        self.started[-1].wait_ready()
        return self.started[-1]

    def run(self, task: str, **arguments: object) -> Job:
        return self.app.join(self.app.enqueue(task, arguments), PATIENCE)

    def check_health(self) -> None:
        """Jobs on the loop and in threads are run."""
        jobs = [self.app.enqueue(task) for task in ("fine", "fine_too") * 3]
        assert [self.app.result(job, PATIENCE) for job in jobs] == ["fine"] * 6

    def written(self, name: str) -> list[int]:
        path = self.folder / name
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        for pid in self.written("left"):
            if is_alive(pid) and Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0"):
                os.kill(pid, signal.SIGKILL)
        for supervised in self.started:
            supervised.close()
        self.app.close()
        if (self.folder / "jobs.db").exists():
            with closing(sqlite3.connect(self.folder / "jobs.db")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("where", WHERE)
def test_whatever_a_handler_raises_is_a_failed_attempt_and_its_worker_lives(site: Site, where: str) -> None:
    worker = site.start()
    receipts = {what: site.app.enqueue(where, {"what": what}) for what in hostile.RAISES}
    jobs = {what: site.app.join(receipt, PATIENCE) for what, receipt in receipts.items()}
    for what, job in jobs.items():
        assert (job.state, job.reason, job.attempt, job.crashes) == (State.DEAD, "exhausted", 1, 0), what
        assert (job.last_error or "").startswith(what.split()[0]), what
    site.check_health()
    assert len(worker.children()) == 1
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output


@pytest.mark.parametrize("where", WHERE)
def test_whatever_a_handler_does_to_its_process_its_worker_works_on_and_stops_when_told(site: Site, where: str) -> None:
    worker = site.start()
    for what in [*hostile.CHANGES, *(hostile.ON_LOOP if where == "loop" else ())]:
        job = site.run(where, what=what)
        assert (job.state, job.crashes) == (State.COMPLETED, 0), f"{what}: {job.last_error}"
        site.check_health()
    assert len(worker.children()) == 1, worker.output
    wait_until(lambda: not any(map(is_alive, site.written("forked"))), "forks of handlers end where they return")
    assert len(site.written("forked")) == 2
    assert [path.name for path in site.folder.rglob("jobs.db")] == ["jobs.db"], "one store, whatever the folder"
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output


def test_a_task_of_a_handler_that_exits_fails_the_handler_that_waits_for_it(site: Site) -> None:
    worker = site.start()
    job = site.run("gather")
    assert (job.state, job.reason, job.last_error) == (State.DEAD, "exhausted", "SystemExit: 0")
    site.check_health()
    assert len(worker.children()) == 1
    assert "something tried to end the event loop" in worker.output


@pytest.mark.parametrize(
    ("where", "what", "said"),
    [
        ("loop", "exit 0", "exit code 0"),
        ("thread", "abort", "killed by signal 6"),
        ("thread", "segfault", "killed by signal 11"),
        ("loop", "no descriptors", "exit code 1"),
    ],
)
def test_a_handler_that_ends_its_worker_is_poison_and_the_others_are_run(
    site: Site, where: str, what: str, said: str
) -> None:
    worker = site.start()
    hostile_job = site.app.enqueue(where, {"what": what})
    others = [site.app.enqueue(task) for task in ("fine", "fine_too") * 5]
    dead = site.app.join(hostile_job, PATIENCE)
    assert (dead.state, dead.reason, dead.attempt, dead.crashes) == (State.DEAD, "poison", 1, 2)
    assert [record.outcome for record in dead.history] == ["crashed"] * 2
    assert [site.app.result(job, PATIENCE) for job in others] == ["fine"] * 10
    assert worker.output.count(f"worker process died: {said}") == 2
    worker.wait_ready(3)
    worker.send(signal.SIGTERM)
    assert worker.end() == 0, worker.output


def test_a_handler_that_ends_its_own_process_is_poison_and_its_worker_lives(site: Site) -> None:
    worker = site.start()
    receipts = {what: site.app.enqueue("process", {"what": what}) for what in hostile.DEATHS}
    said = {"exit 0": "exit code 0", "abort": "SIGABRT", "segfault": "SIGSEGV", "no descriptors": "exit code 1"}
    for what, receipt in receipts.items():
        job = site.app.join(receipt, PATIENCE)
        assert (job.state, job.reason, job.crashes) == (State.DEAD, "poison", 2), what
        assert said[what] in (job.last_error or "")
    site.check_health()
    assert len(worker.children()) == 1


def test_a_signal_that_a_handler_sends_itself_is_a_signal(site: Site) -> None:
    """Not so an exception of the same meaning: that is a failed attempt."""
    worker = site.start()
    job = site.run("interrupt")
    assert (job.state, job.attempt, job.crashes) == (State.COMPLETED, 1, 0)
    worker.wait_ready(2)
    assert "worker process died: exit code 0" in worker.output
    site.check_health()


def test_app_run_sets_signal_handlers_again_that_a_handler_has_replaced(site: Site) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", "import hostile; hostile.app.run()"],
        cwd=site.folder,
        env={**os.environ, "PYTHONPATH": PATH},
    )

    def ends() -> bool:
        program.terminate()
        return program.poll() is not None

    try:
        assert site.run("loop", what="signals are ignored").state is State.COMPLETED
        wait_until(ends, "a signal stops it", 10)
        assert program.returncode in (0, -signal.SIGTERM)  # the last one may come when it has stopped already
    finally:
        program.kill()
        program.wait()


def test_a_handler_that_holds_the_global_lock_beyond_its_lease_changes_nothing_late(site: Site) -> None:
    worker = site.start("--processes", "2")
    worker.wait_ready(2)
    job = site.run("hold", seconds=6)
    first, second = site.written("held")
    assert first != second
    assert (job.state, job.attempt, job.crashes) == (State.COMPLETED, 1, 1)
    worker.wait_line(f"job {job.id} is no longer held")
    assert site.app.job(job) == job
    assert job.result == str(job.generation)
    site.check_health()
    assert len(worker.children()) == 2
