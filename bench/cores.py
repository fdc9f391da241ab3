"""What handlers that only compute bring on the loop, in threads, in processes and in two workers.

As a ratio to the same work on the loop, in the same round: what a core brings changes from minute to minute.
"""

import hashlib
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.setting import SQLITE, Figure, run_python, store, timed
from headrace import Headrace

_ROUNDS = 3
_SECONDS = 2.0
"""Of one core, in all jobs of a run."""
_SLOTS = 4
_BLOCK = b"x" * 1_048_576

app = Headrace(os.environ.get("BENCH_URL", "memory:"))


def compute(turns: int) -> int:
    """Python's own work, which holds the interpreter."""
    number = 1
    for _ in range(turns):
        number = number * 1103515245 + 12345 & 0x7FFFFFFF
    return number


def digest(turns: int) -> None:
    """Work in C that lets the interpreter go."""
    for _ in range(turns):
        hashlib.sha256(_BLOCK).digest()


@app.task(name="on_loop")
async def on_loop(turns: int) -> None:
    """Async: one after another, between the worker's own turns."""
    compute(turns)


@app.task(name="in_thread")
def in_thread(turns: int) -> None:
    """A thread a job, one interpreter."""
    compute(turns)


@app.task(name="in_process", executor="process")
def in_process(turns: int) -> None:
    """A process a slot."""
    compute(turns)


@app.task(name="digest_in_thread")
def digest_in_thread(turns: int) -> None:
    """A thread a job, and the interpreter let go."""
    digest(turns)


@app.task(name="nothing_in_process", executor="process")
def nothing_in_process(turns: int) -> None:
    """What it costs to go there and back."""


@dataclass(frozen=True)
class Way:
    """One way to run a handler."""

    name: str
    task: str
    workers: int = 1
    work: Callable[[int], object] = compute


ON_LOOP = Way("on the loop", "on_loop")
WAYS = (
    Way("in threads", "in_thread"),
    Way("in processes", "in_process"),
    Way("in threads of two workers", "in_thread", workers=2),
    Way("in threads, C without the GIL", "digest_in_thread", work=digest),
)


def measure() -> list[Figure]:
    """Medians of three rounds. The way there and back is told by itself."""
    figures = []
    for milliseconds in (1, 10, 100):
        count = round(_SECONDS * 1000 / milliseconds)
        turns = {way: _turns(way.work, milliseconds / 1000) for way in (ON_LOOP, *WAYS)}
        times: dict[str, list[float]] = {way.name: [] for way in WAYS}
        for _ in range(_ROUNDS):
            alone = _run(ON_LOOP, turns[ON_LOOP], count)
            for way in WAYS:
                times[way.name].append(alone / _run(way, turns[way], count))
        figures += [
            Figure(f"{milliseconds} ms {name}", SQLITE, statistics.median(found), "times")
            for name, found in times.items()
        ]
    trips = [_run(Way("", "nothing_in_process"), 1, 5000) for _ in range(_ROUNDS)]
    figures.append(Figure("jobs that do nothing, in processes", SQLITE, 5000 / statistics.median(trips), "jobs/s"))
    return figures


def _turns(work: Callable[[int], object], seconds: float) -> int:
    """How many turns take so long, alone, at the machine's best."""
    some = 20_000 if work is compute else 20
    one = min(timed(lambda: work(some)) for _ in range(9)) / some
    return max(1, round(seconds / one))


def _run(way: Way, turns: int, count: int) -> float:
    """Seconds from the first claim to the last end, by the store's clock."""
    with store(SQLITE) as url:
        client = Headrace(url)
        with client:
            ids = [client.enqueue(way.task, {"turns": turns}).id for _ in range(count)]
        program = f"from bench.cores import app; app.run({{'default': {_SLOTS}}}, until_idle=True)"
        workers = [run_python("-c", program, BENCH_URL=url) for _ in range(way.workers)]
        for worker in workers:
            assert worker.wait(timeout=120) == 0
        client = Headrace(url)
        with client:
            jobs = [job for job_id in ids if (job := client.job(job_id)) is not None]
        assert len(jobs) == count
        assert all(job.state == "completed" for job in jobs)
    began = min(job.started_at or 0 for job in jobs)
    return (max(job.finished_at or 0 for job in jobs) - began) / 1000
