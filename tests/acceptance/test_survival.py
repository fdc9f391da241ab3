"""What survives: kill -9 at random, frozen workers, blocked loops, jobs that kill, and a supervisor that vanishes."""

import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from survival import ledger
from survival.checker import judge
from survival.fleet import Fleet, fleet, wait_until
from survival.storm import Storm

from headrace import Headrace
from headrace.model.job import Job
from headrace.model.state import FINAL, State

SEED = int(os.environ.get("SURVIVAL_SEED", "1"))
KILLS = int(os.environ.get("SURVIVAL_KILLS", "200"))
HEALING = 60.0
FLAKY, MAX_ATTEMPTS = 17, 3  # as in survival.app, which can't be imported here: it is the app of other processes


def every_job(app: Headrace) -> Sequence[Job]:
    jobs: list[Job] = []
    after: str | None = None
    while True:
        page = app.jobs(limit=1000, after=after)
        jobs += page
        after = page.next
        if after is None:
            return jobs


def all_final(app: Headrace) -> bool:
    return all(state in FINAL for states in app.counts().values() for state in states)


def row(app: Headrace, job_id: str) -> Job:
    job = app.job(job_id)
    assert job is not None
    return job


def integrity(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def enqueue(app: Headrace, task: str, count: int = 1, **arguments: object) -> list[str]:
    return [app.enqueue(f"survival.app.{task}", arguments).id for _ in range(count)]


# --- kill -9, at random -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_storm_of_kills_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    with fleet(tmp_path) as ships:
        storm = Storm(ships, SEED)
        storm.run(KILLS)
        stormed = time.monotonic()
        storm.end_producers()
        wait_until(lambda: not storm.orphans & ships.pids(), "workers without a supervisor end by themselves")
        with Headrace(ships.url) as app:
            wait_until(lambda: all_final(app), "all jobs are final after the storm", HEALING)
            healed = time.monotonic()
            storm.end_supervisors()
            wait_until(lambda: not ships.pids(), "every process has ended by itself")
            jobs = every_job(app)
        requests = [record for path in storm.requests() for record in ledger.read(path)]
        effects = ships.effects()
        verdict = judge(requests, effects, jobs, FLAKY, MAX_ATTEMPTS)
        whole = integrity(ships.database)
        line = (
            f"survival seed {SEED}: {_text(storm)} in {stormed - begun:.0f} s, healed in {healed - stormed:.1f} s; "
            f"{verdict.acknowledged} acknowledged of {verdict.invoked}, {verdict.lost} lost "
            f"(95 %: under {3 / KILLS:.1%} of kills lose one), {verdict.starts} starts, "
            f"{verdict.duplicate_starts} duplicate, {verdict.overlaps} overlapping, "
            f"{verdict.double_completions} double completions, {verdict.fenced_ends} runs in vain, "
            f"{verdict.refused} late writes refused, {verdict.crashes} crashes; integrity {whole}"
        )
        if verdict.violations:
            replay = f"SURVIVAL_SEED={SEED} SURVIVAL_KILLS={KILLS} make test PYTEST_ARGS='-k storm_of_kills'"
            pytest.fail("\n".join([*verdict.violations[:20], line, f"replay: {replay}"]), pytrace=False)
        assert whole == "ok"
        with capsys.disabled():
            print(f"\n{line}")


def _text(storm: Storm) -> str:
    kinds = ", ".join(f"{count} {kind}s" for kind, count in sorted(storm.killed.items()))
    return f"{storm.killed.total()} kills ({kinds})"


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
        assert ships.send(frozen.pid, signal.SIGSTOP)
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
