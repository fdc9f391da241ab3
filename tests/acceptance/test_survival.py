"""What survives: frozen workers, blocked loops, jobs that kill, and a supervisor that vanishes.

Kills at random are in test_chaos.py."""

import itertools
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from survival.fleet import Fleet, fleet, wait_until

from headrace import Headrace
from headrace.model.errors import StoreBusy
from headrace.model.job import Job
from headrace.model.state import FINAL, State


def all_final(app: Headrace) -> bool:
    return all(state in FINAL for states in app.counts().values() for state in states)


def row(app: Headrace, job_id: str) -> Job:
    job = app.job(job_id)
    assert job is not None
    return job


def enqueue(app: Headrace, task: str, count: int = 1, **arguments: object) -> list[str]:
    return [app.enqueue(f"survival.app.{task}", arguments).id for _ in range(count)]


# --- frozen, blocked, poisoned, orphaned ------------------------------------------------------------------------------


def only_start(ships: Fleet, job_id: str, fence: int) -> dict[str, object] | None:
    found = [record for record in ships.effects("start") if record["job"] == job_id and record["fence"] == fence]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(("task", "count"), [("block_loop", 1), ("block_thread", 3)])
def test_a_frozen_worker_that_wakes_up_late_changes_nothing(tmp_path: Path, task: str, count: int) -> None:
    with fleet(tmp_path, lease="1s") as ships, Headrace(ships.url) as app:
        frozen = ships.start_worker()
        wait_until(ships.ready, "the first worker is at work")
        ids = enqueue(app, task, count, seconds=2.0)
        wait_until(lambda: all(only_start(ships, job_id, 1) for job_id in ids), "the first worker has them all")
        freeze(ships, frozen.pid)
        other = ships.start_worker()
        wait_until(lambda: all_final(app), "another worker has completed them")
        before = [row(app, job_id) for job_id in ids]
        assert [job.state for job in before] == [State.COMPLETED] * count
        assert all(job.generation > 1 and job.result == str(job.generation) and job.crashes == 1 for job in before)
        assert ships.send(frozen.pid, signal.SIGCONT)
        wait_until(lambda: refused(ships, frozen.pid) == set(ids), "the first worker was told that it is too late")
        ends = [record for record in ships.effects("end") if record["pid"] == frozen.pid]
        assert sorted(record["job"] for record in ends) == sorted(ids)
        assert [row(app, job_id) for job_id in ids] == before
        assert ships.end(other) == 0
        after = enqueue(app, "work", number=1)[0]
        wait_until(lambda: row(app, after).state is State.COMPLETED, "the first worker works on")
        assert ships.end(frozen) == 0


def freeze(ships: Fleet, pid: int) -> None:
    """SIGSTOP, at a moment at which it does not hold the store: what follows of that is a test of its own."""
    assert ships.send(pid, signal.SIGSTOP)
    while is_locked(ships.database):
        assert ships.send(pid, signal.SIGCONT)
        time.sleep(0.01)
        assert ships.send(pid, signal.SIGSTOP)


def is_locked(database: Path) -> bool:
    """Whether somebody holds the right to write for longer than a commit takes."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0.5)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


def test_a_worker_that_is_frozen_in_a_commit_stops_the_others_and_they_go_on_with_it(tmp_path: Path) -> None:
    with fleet(tmp_path, lease="1s", patience="500ms") as ships, Headrace(ships.url) as app:
        workers = [ships.start_worker() for _ in range(2)]
        wait_until(lambda: len(ships.ready()) == 2, "both workers are at work")
        ids = enqueue(app, "work", 6, number=6)
        wait_until(lambda: ships.effects("end"), "jobs are run")
        frozen, other = (worker.pid for worker in workers)
        for tries in itertools.count():
            ids += enqueue(app, "work", 3, number=1)
            time.sleep(0.0005 * (tries % 4))  # it claims jobs, runs them for a millisecond, records them
            assert ships.send(frozen, signal.SIGSTOP)
            if is_locked(ships.database):
                break
            assert ships.send(frozen, signal.SIGCONT)
        told = len(busy(ships, other))
        wait_until(lambda: len(busy(ships, other)) >= told + 3, "the other says that the store is locked")
        with pytest.raises(StoreBusy), Headrace(ships.url, patience="200ms") as impatient:
            impatient.enqueue("survival.app.work", {"number": 1})
        time.sleep(1.5)  # longer than a lease: the other's has run out as well, and nobody could take anything over
        assert ships.send(frozen, signal.SIGCONT)
        wait_until(lambda: all_final(app), "all is completed once it goes on", 60)
        assert {row(app, job_id).state for job_id in ids} == {State.COMPLETED}
        completed = [record["job"] for record in ships.effects("completed")]
        assert sorted(completed) == sorted(set(completed)), "and nothing twice"
        assert [ships.end(worker) for worker in workers] == [0, 0]


def busy(ships: Fleet, pid: int) -> list[str]:
    """What this process said of a store that others hold."""
    texts = [record["text"] for record in ships.effects("log") if record["pid"] == pid]
    return [text for text in texts if "StoreBusy" in text]


def refused(ships: Fleet, pid: int) -> set[str]:
    """Jobs of which this process was told that they are not its own any more."""
    texts = [record["text"] for record in ships.effects("log") if record["pid"] == pid]
    return {text.split()[2] for text in texts if "no longer held" in text}


def test_a_handler_that_blocks_the_loop_for_ten_leases_is_not_run_twice(tmp_path: Path) -> None:
    with fleet(tmp_path, lease="450ms") as ships, Headrace(ships.url) as app:
        blocked = ships.start_worker()
        wait_until(ships.ready, "the worker is at work")
        job_id = enqueue(app, "block_loop", seconds=4.5)[0]
        wait_until(lambda: only_start(ships, job_id, 1), "it has started")
        ships.start_worker()  # would rescue it
        wait_until(lambda: len(ships.ready()) == 2, "another worker is at work")
        wait_until(lambda: all_final(app), "it is completed")
        job = row(app, job_id)
        assert (job.state, job.generation, job.attempt, job.crashes) == (State.COMPLETED, 1, 1, 0)
        assert [record["pid"] for record in ships.effects("start")] == [blocked.pid]
        assert any("block_loop" in record["text"] for record in ships.effects("log")), "and its stack was reported"


def test_a_job_that_kills_its_process_is_poison_and_its_neighbours_are_not(tmp_path: Path) -> None:
    with fleet(tmp_path, lease="1s", crash_budget="3") as ships, Headrace(ships.url) as app:
        healthy = enqueue(app, "work", 50, number=6)
        poison = enqueue(app, "kill_its_process")[0]
        healthy += enqueue(app, "work", 50, number=6)
        supervisor = ships.start_supervisor(2)
        wait_until(lambda: all_final(app), "all jobs are final", 60)
        dead = row(app, poison)
        assert (dead.state, dead.reason, dead.crashes) == (State.DEAD, "poison", 3)
        assert [record.outcome for record in dead.history] == ["crashed"] * 3
        assert {row(app, job_id).state for job_id in healthy} == {State.COMPLETED}
        assert len([record for record in ships.effects("start") if record["job"] == poison]) == 3
        assert supervisor.poll() is None, "the supervisor stays up"
        wait_until(lambda: len(ships.children(supervisor.pid)) == 2, "and so do its workers")
        assert ships.end(supervisor) == 0
        assert not ships.pids()


@pytest.mark.parametrize("seconds", [0.0, 60.0], ids=["idle", "blocked"])
def test_without_their_supervisor_workers_end_by_themselves(tmp_path: Path, seconds: float) -> None:
    with fleet(tmp_path, patience="1s") as ships, Headrace(ships.url) as app:
        supervisor = ships.start_supervisor(2)
        wait_until(lambda: len(ships.ready()) == 2, "both workers are at work")
        if seconds:
            job_id = enqueue(app, "block_loop", seconds=seconds)[0]
            wait_until(lambda: only_start(ships, job_id, 1), "a worker's loop is blocked")
        orphans = ships.kill_supervisor(supervisor)
        assert set(orphans) == ships.ready()
        wait_until(lambda: not ships.pids(), "no process is left", 25)
        if seconds:
            assert row(app, job_id).state is State.RUNNING, "for the next worker to rescue"
