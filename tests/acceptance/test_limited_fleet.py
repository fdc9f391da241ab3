"""A limit over four real processes on one SQLite file: every window of it, killed workers, an upstream that says no."""

import time
from collections import Counter
from pathlib import Path

import pytest
from survival import limited
from survival.fleet import Fleet, fleet, wait_until

from headrace import Headrace
from headrace.model.state import State

PROCESSES = 4
KILLS = 8


def start(ships: Fleet, number: int = PROCESSES) -> list[object]:
    workers = [ships.start("-m", "survival.limited") for _ in range(number)]
    wait_until(lambda: len(ships.ready()) >= number, "the workers are at work")
    return list(workers)


def fill(app: Headrace, task: str, jobs: int) -> set[str]:
    queue = "acquiring" if task.startswith("acquires") else "calls"
    calls = [app.by_name(task, {"number": number}, {"queue": queue}) for number in range(jobs)]
    return {receipt.id for receipt in app.enqueue_many(calls)}


def done(app: Headrace, jobs: int) -> bool:
    return sum(counts.get(State.COMPLETED, 0) for counts in app.counts().values()) == jobs


@pytest.mark.parametrize("task", ["call", "acquires", "acquires_in_thread"])
def test_no_window_gets_more_than_the_limit_allows(tmp_path: Path, task: str) -> None:
    jobs = 700
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        ids = fill(app, task, jobs)
        workers = start(ships)
        wait_until(lambda: done(app, jobs), "all are completed", 60)
        assert [ships.end(worker) for worker in workers] == [0] * PROCESSES  # type: ignore[arg-type]
        states = limited.buckets(ships.effects_path)
        starts = ships.effects("start")
        assert limited.worst_window(states) <= 0
        assert {record["job"] for record in starts} == ids
        assert states[-1].granted == len(starts) == jobs
        assert len({record["pid"] for record in starts}) == PROCESSES
        if task == "call":
            assert {job.generation for job in app.jobs(queue="calls", limit=jobs)} == {1}, "none was claimed in vain"


def test_killed_workers_leak_only_the_permits_they_had_in_hand(tmp_path: Path) -> None:
    jobs = 1_500
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        fill(app, "call", jobs)
        workers = start(ships)
        for number in range(KILLS):
            wait_until(lambda number=number: len(ships.effects("start")) > 100 * (number + 1), "some have run")
            ships.kill(workers[number % PROCESSES])  # type: ignore[arg-type]
            workers[number % PROCESSES] = ships.start("-m", "survival.limited")
        wait_until(lambda: done(app, jobs), "all are completed", 60)
        assert [ships.end(worker) for worker in workers] == [0] * PROCESSES  # type: ignore[arg-type]
        states = limited.buckets(ships.effects_path)
        starts = Counter(record["job"] for record in ships.effects("start"))
        assert limited.worst_window(states) <= 0
        assert len(starts) == jobs
        assert 0 <= states[-1].granted - starts.total() <= KILLS * limited.SLOTS


def test_one_answer_of_too_fast_stops_all_processes(tmp_path: Path) -> None:
    jobs = 400
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        workers = start(ships)
        fill(app, "refused", jobs)
        wait_until(lambda: done(app, jobs), "all are completed", 60)
        assert [ships.end(worker) for worker in workers] == [0] * PROCESSES  # type: ignore[arg-type]
        (said,) = [record["at"] for record in ships.effects("throttled")]
        starts = sorted(record["at"] for record in ships.effects("start"))
        assert not [at for at in starts if said + 0.5 < at < said + 2], "nobody went on"
        assert [at for at in starts if at >= said + 2]
        assert limited.worst_window(limited.buckets(ships.effects_path)) <= 0


def test_a_pause_stops_all_processes_and_a_resume_wakes_them(tmp_path: Path) -> None:
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        workers = start(ships, 2)
        fill(app, "call", 2_000)
        wait_until(lambda: ships.effects("start"), "they have begun")
        app.pause("calls")
        wait_until(lambda: not app.inflight_count("calls"), "what ran has ended")
        before = len(ships.effects("start"))
        time.sleep(1.5)
        assert len(ships.effects("start")) == before
        resumed = time.monotonic()
        app.resume("calls")
        wait_until(lambda: len(ships.effects("start")) > before, "they go on")
        assert ships.effects("start")[before]["at"] - resumed < 0.45, "told, not by the poll"
        assert [ships.end(worker) for worker in workers] == [0] * 2  # type: ignore[arg-type]


def test_three_processes_share_a_ceiling_and_follow_it(tmp_path: Path) -> None:
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        app.scale("slow", 6)
        workers = start(ships, 3)
        app.enqueue_many([app.by_name("sleeps", {"number": n}, {"queue": "slow"}) for n in range(2_000)])

        def running() -> list[int]:
            return sorted(Counter(job.worker for job in app.jobs(state="running", queue="slow")).values())

        wait_until(lambda: running() == [2, 2, 2], "each has its share")
        app.scale("slow", 12)
        wait_until(lambda: running() == [4, 4, 4], "each has its share of more")
        ships.kill(workers.pop())  # type: ignore[arg-type]
        wait_until(lambda: running() == [6, 6], "its share goes to the others")
        app.scale("slow", 1)
        wait_until(lambda: running() == [1], "one place is left")
        assert [ships.end(worker) for worker in workers] == [0] * 2  # type: ignore[arg-type]
