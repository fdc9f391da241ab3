"""Real worker processes: who is known, who is forgotten, and what is left of the counts of a killed one."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import Supervised, wait_until

from headrace import Headrace, State
from headrace.interface.watching import KnownWorker

APP = """
import asyncio
from headrace import Headrace

app = Headrace("sqlite:///jobs.db", reap="200ms")

@app.task(name="quick")
async def quick() -> None: ...

@app.task(name="long")
async def long() -> None:
    await asyncio.sleep(300)
"""


class Place:
    """A folder with an app, its store, and a supervisor of two workers."""

    def __init__(self, folder: Path) -> None:
        (folder / "mail.py").write_text(APP)
        self.url = f"sqlite:///{folder}/jobs.db"
        names = {"PREFIX": "shop", "VERSION": "7", "ID": "n1"}
        self.supervisor = Supervised(
            folder,
            "mail:app",
            "--processes",
            "2",
            HEADRACE_QUEUES="default:5,other",
            **{f"HEADRACE_WORKER_{name}": value for name, value in names.items()},
        )
        self.supervisor.wait_ready(2)

    def workers(self) -> list[KnownWorker]:
        with Headrace(self.url) as app:
            return list(app.workers())

    def enqueue(self, task: str, count: int = 1) -> None:
        with Headrace(self.url) as app:
            for _ in range(count):
                app.enqueue(task)

    def wait_counted(self, started: int, completed: int) -> None:
        """Until the timeline tells so many."""
        wait_until(lambda: self.counted() == (started, completed), f"{started} started and {completed} completed")

    def counted(self) -> tuple[int, int]:
        with Headrace(self.url) as app:
            counts = [one for interval in app.timeline(since="5m") for one in interval.tasks.values()]
        return sum(one.started for one in counts), sum(one.completed for one in counts)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.supervisor.close()


def test_workers_are_known_a_killed_one_is_forgotten_and_the_next_is_known(place: Place) -> None:
    before = place.workers()
    assert sorted(worker.presence.pid for worker in before) == sorted(place.supervisor.children())
    for worker in before:
        assert worker.presence.label == "shop-worker-7-n1"
        assert worker.presence.queues == {"default": 5, "other": 4}
        assert worker.presence.tasks == ("long", "quick")
        assert worker.lease > 20
    place.enqueue("long")
    wait_until(lambda: any(worker.running for worker in place.workers()), "the job is listed with its worker")
    (victim,) = [worker for worker in place.workers() if worker.running]
    assert [job.task for job in victim.running] == ["long"]
    os.kill(victim.presence.pid, signal.SIGKILL)
    wait_until(lambda: victim.id not in [worker.id for worker in place.workers()], "the killed one is forgotten")
    place.supervisor.wait_ready(3)
    wait_until(lambda: len(place.workers()) == 2, "its successor is known")
    assert victim.presence.pid not in [worker.presence.pid for worker in place.workers()]
    place.supervisor.send(signal.SIGTERM)
    place.supervisor.wait_line("stopping")
    place.supervisor.send(signal.SIGTERM)
    assert place.supervisor.end() == 0, place.supervisor.output
    assert place.workers() == []


def test_what_a_killed_worker_did_two_seconds_ago_is_counted(place: Place) -> None:
    place.enqueue("quick", 40)
    place.wait_counted(40, 40)
    for pid in place.supervisor.children():
        os.kill(pid, signal.SIGKILL)
    place.supervisor.wait_ready(4)
    place.enqueue("quick", 10)
    place.wait_counted(50, 50)
    place.supervisor.send(signal.SIGTERM)
    assert place.supervisor.end() == 0, place.supervisor.output
    assert place.counted() == (50, 50)


def test_what_was_counted_last_is_written_when_workers_stop(place: Place) -> None:
    place.enqueue("quick", 30)
    with Headrace(place.url) as app:
        wait_until(lambda: app.counts().get("default", {}).get(State.PENDING, 0) == 0, "all are claimed")
    place.supervisor.send(signal.SIGTERM)
    assert place.supervisor.end() == 0, place.supervisor.output
    assert place.counted() == (30, 30)
