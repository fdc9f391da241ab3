"""Many processes at once on one SQLite file: who gets what, who is woken, who may look."""

import time
from collections import Counter
from pathlib import Path
from statistics import median

from survival import ledger
from survival.fleet import fleet, wait_until

from headrace import Headrace
from headrace.model.state import State

ENOUGH_JOBS = 800
POLL = 5.0


def test_no_job_is_claimed_twice_and_others_may_look_meanwhile(tmp_path: Path) -> None:
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        paths = [tmp_path / f"requests-{number}" for number in range(3)]
        claimers = [ships.start("-m", "survival.claimer") for _ in range(3)]
        onlooker = ships.start("-m", "survival.onlooker")
        wait_until(lambda: len(ships.ready()) == 3 and ships.effects("look"), "claimers and onlooker have begun")
        producers = [ships.start_producer(path, 1_000_000 * number) for number, path in enumerate(paths, 1)]

        def acknowledged() -> list[str]:
            return [
                job
                for path in paths
                for record in ledger.read(path)
                if record["kind"] == "ok"
                for job in record["jobs"]
            ]

        wait_until(lambda: len(acknowledged()) > ENOUGH_JOBS, "enough jobs are enqueued", 60)
        assert [ships.let_go(process) for process in producers] == [0, 0, 0]
        ids = acknowledged()
        wait_until(lambda: app.counts()["default"] == {State.COMPLETED: len(ids)}, "all are completed")
        assert [ships.let_go(process) for process in [*claimers, onlooker]] == [0] * 4
        claims = ships.effects("claim")
        assert Counter(record["job"] for record in claims) == Counter(ids)
        assert {record["fence"] for record in claims} == {1}
        by = Counter(record["pid"] for record in claims)
        assert len(by) == 3, f"each claimer had its share: {by}"
        looks = ships.effects("look")
        assert len(looks) > 10
        assert all(look["found"] or not look["listed"] for look in looks)
        assert any(0 < look["counts"].get("completed", 0) < len(ids) for look in looks), "it saw the work half done"


def test_a_job_of_another_process_wakes_an_idle_worker(tmp_path: Path) -> None:
    with fleet(tmp_path, poll=f"{POLL:g}s", lease="30s") as ships, Headrace(ships.url) as app:
        worker = ships.start_worker()
        wait_until(ships.ready, "the worker is at work")
        delays: list[float] = []
        for number in range(1, 10):
            time.sleep(0.1)  # so that the worker is idle, and waits
            enqueued = time.monotonic()
            job_id = app.enqueue("survival.app.work", {"number": number}).id

            def started(job_id: str = job_id) -> float | None:
                return next((record["at"] for record in ships.effects("start") if record["job"] == job_id), None)

            wait_until(started, "it has started")
            delays.append((started() or 0.0) - enqueued)
        assert median(delays) < 0.5, delays
        assert ships.end(worker) == 0
