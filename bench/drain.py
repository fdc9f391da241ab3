"""How many no-op async jobs a second one worker process takes from enqueued to completed, and what it weighs."""

import asyncio
import statistics
from pathlib import Path
from time import perf_counter

from bench.setting import MEMORY, PAYLOAD, SQLITE, Figure, make_app, run_python, store, task_of
from headrace import Headrace

_ROUNDS = 5


def measure() -> list[Figure]:
    """Medians of five rounds; the worker's memory is read in a process of its own."""
    figures = []
    for kind, jobs, target in ((MEMORY, 100_000, 80_000), (SQLITE, 30_000, 25_000)):
        rates = []
        for _ in range(_ROUNDS):
            with store(kind) as url:
                rates.append(asyncio.run(drain(url, jobs)))
        figures.append(Figure("drain, concurrency 100", kind, statistics.median(rates), "jobs/s", target))
    figures.append(Figure("worker RSS after 100,000 jobs", SQLITE, _weigh(), "MB", 60, least=False))
    return figures


async def drain(url: str, jobs: int, concurrency: int = 100) -> float:
    """Jobs a second."""
    app = make_app(url)
    async with app:
        await _fill(app, jobs)
        started = perf_counter()
        async with app.worker({"default": concurrency}) as worker:
            await worker.idle()
            return jobs / (perf_counter() - started)


def _weigh() -> float:
    with store(SQLITE) as url:
        asyncio.run(_fill_and_close(make_app(url), 100_000))
        child = run_python("-m", "bench.drain", url)
        out, _ = child.communicate(timeout=120)
        return float(out.strip().splitlines()[-1])


async def _fill_and_close(app: Headrace, jobs: int) -> None:
    async with app:
        await _fill(app, jobs)


async def _fill(app: Headrace, jobs: int) -> None:
    task = task_of(app, "noop")
    for _ in range(jobs // 1000):
        await app.aenqueue_many([task.call(**PAYLOAD) for _ in range(1000)])


def weigh_worker(url: str) -> None:
    """Runs in a process of its own: drains the store and prints its peak memory in MB."""
    app = make_app(url)
    app.run({"default": 100}, until_idle=True)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)  # ru_maxrss would be the parent's where that was larger


if __name__ == "__main__":
    import sys

    weigh_worker(sys.argv[1])
