"""``python -m bench.growth [--share 1.0] [STORAGE...]``: what a job costs as a store grows, written as JSON.

It asks how the cost of enqueueing, claiming and completing depends on the jobs that wait, on a million that are
scheduled or finished beside them, on the number of queues, and on the payload; what a waiting job weighs; and how long
a store takes to open. Each series has a process of its own. scripts/generate_docs.py makes the plots.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.plots import WRITTEN
from bench.setting import machine
from headrace.model.change import Change, Held, Patch
from headrace.model.job import NewJob
from headrace.model.state import State
from headrace.storage.contract import Demand, Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.servers.postgres import PostgresServer

URLS = {
    "memory": "memory:",
    "hybrid": "hybrid:///{folder}/jobs.snap",
    "SQLite": "sqlite:///{folder}/jobs.db",
    "object storage on disk": "file:///{folder}/objects",
    "Postgres": "",
}
BESIDE = 1_000_000
WAITING = (1_000, 10_000, 100_000, 1_000_000)
QUEUES = (1, 10, 100, 1_000, 10_000)
PAYLOADS = (100, 1_024, 10_240, 102_400, 1_048_576)
_AT_A_TIME = 5_000
_ROUNDS, _BATCH, _CLAIM = 30, 100, 10
_MOST_BYTES = 4 * 1_048_576
"""Of one call."""
DONE = Patch(State.COMPLETED, release_key=True)

Point = dict[str, Any]


class Store:
    """One store, and what is asked of it."""

    def __init__(self, url: str) -> None:
        self.clock = SystemClock()
        self.ids = Ids(self.clock)
        self.storage: Storage = open_url(url, clock=self.clock, auto_migrate=True, patience=60)

    async def open(self) -> None:
        await self.storage.open()
        await self.storage.beat("w", [], 36_000)

    async def fill(self, number: int, queues: int = 1, bytes_each: int = 100, delay: float = 0.0) -> None:
        size = max(1, min(_AT_A_TIME, _MOST_BYTES // bytes_each))
        for first in range(0, number, size):
            span = range(first, min(first + size, number))
            await self.storage.insert([self.job(f"q{one % queues}", bytes_each, delay) for one in span])

    def job(self, queue: str, bytes_each: int = 100, delay: float = 0.0) -> NewJob:
        return NewJob(self.ids.new(), "t", queue, json.dumps({"x": "x" * (bytes_each - 10)}), delay=delay)

    async def finish(self, number: int) -> None:
        """So many jobs that have run, in a queue of their own."""
        for _ in range(max(1, number // _AT_A_TIME)):
            await self.storage.insert([self.job("finished") for _ in range(min(number, _AT_A_TIME))])
            jobs = await self.storage.claim("w", [Demand("finished", _AT_A_TIME)])
            await self.storage.apply([Change(job.id, Held("w", job.generation), DONE) for job in jobs])

    async def costs(self, queues: int = 1, bytes_each: int = 100, rounds: int = _ROUNDS) -> dict[str, float]:
        """Microseconds a job: medians of rounds that leave as many jobs waiting as there were."""
        gc.collect()
        size = max(1, min(_BATCH, _MOST_BYTES // bytes_each))
        claim = min(_CLAIM, size)
        took: dict[str, list[float]] = {"enqueue": [], "claim": [], "complete": []}
        for number in range(rounds):
            queue = f"q{number * 7919 % queues}"
            new = [self.job(queue, bytes_each) for _ in range(size)]
            await timed(took["enqueue"], size, lambda new=new: self.storage.insert(new))
            for _ in range(size // claim):
                demands = [Demand(queue, claim)]
                jobs = await timed(took["claim"], claim, lambda demands=demands: self.storage.claim("w", demands))
                changes = [Change(job.id, Held("w", job.generation), DONE) for job in jobs]
                await timed(took["complete"], claim, lambda changes=changes: self.storage.apply(changes))
        return {name: statistics.median(times) for name, times in took.items()}


async def timed(times: list[float], jobs: int, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Notes the microseconds a job."""
    began = perf_counter()
    answer = await ask()
    times.append((perf_counter() - began) / jobs * 1e6)
    return answer


async def waiting(url: str, share: float, beside: str = "") -> list[Point]:
    """As ever more jobs wait."""
    store, points, there = Store(url), [], 0
    await store.open()
    if beside == "scheduled":
        await store.fill(round(BESIDE * share), delay=36_000)
    elif beside == "finished":
        await store.finish(round(BESIDE * share))
    before = resident()
    for number in sizes(WAITING, share):
        await store.fill(number - there)
        there, weight = number, (resident() - before) / number
        points.append({"x": number, "bytes": weight} | await store.costs())
    await store.storage.close()
    return points


async def queues(url: str, share: float) -> list[Point]:
    """As the same jobs wait in ever more queues."""
    points = []
    for number in sizes(QUEUES, 1):
        store = Store(url.replace("/jobs", f"/{number}jobs").replace("/objects", f"/{number}objects"))
        await store.open()
        await store.fill(max(number, round(100_000 * share)), queues=number)
        points.append({"x": number} | await store.costs(queues=number))
        await store.storage.close()
    return points


async def payloads(url: str, share: float) -> list[Point]:
    """As payloads grow, beside a hundred of the same size."""
    points = []
    store = Store(url)
    await store.open()
    for size in PAYLOADS:
        await store.fill(max(1, round(100 * share)), bytes_each=size)
        points.append({"x": size} | await store.costs(bytes_each=size, rounds=10))
    await store.storage.close()
    return points


async def opening(url: str, share: float) -> list[Point]:
    """Milliseconds until a store is open and has handed out its first job, as ever more jobs wait in it."""
    points, there = [], 0
    for number in sizes(WAITING, share):
        store = Store(url)
        await store.open()
        await store.fill(number - there)
        there = number
        await store.storage.close()
        began, store = perf_counter(), Store(url)
        await store.open()
        jobs = await store.storage.claim("w", [Demand("q0", 1)])
        points.append({"x": number, "open": (perf_counter() - began) * 1e3})
        await store.storage.apply([Change(job.id, Held("w", job.generation), Patch(State.PENDING)) for job in jobs])
        await store.storage.close()
    return points


SERIES: dict[str, Callable[[str, float], Awaitable[list[Point]]]] = {
    "waiting": waiting,
    "waiting beside scheduled": lambda url, share: waiting(url, share, "scheduled"),
    "waiting beside finished": lambda url, share: waiting(url, share, "finished"),
    "queues": queues,
    "payloads": payloads,
    "opening": opening,
}


def sizes(numbers: Sequence[int], share: float) -> Sequence[int]:
    """A share of each, at least one."""
    return [max(1, round(number * share)) for number in numbers]


def resident() -> int:
    """Bytes of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def fresh(storage: str, server: PostgresServer | None) -> Iterator[str]:
    """The URL of an empty store on a real disk."""
    if storage == "Postgres":
        assert server is not None
        url = server.create_database()
        yield url
        server.drop_database(url)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        yield URLS[storage].format(folder=folder)


def measure(storage: str, name: str, share: float, server: PostgresServer | None) -> dict[str, Any]:
    """One series, in a process of its own."""
    with fresh(storage, server) as url:
        command = [sys.executable, "-m", "bench.growth", "--one", name, url, "--share", str(share)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {"storage": storage, "series": name, "points": json.loads(ran.stdout.splitlines()[-1])}


def main() -> None:
    """Measures, and writes after each series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storages", nargs="*", metavar="STORAGE", default=list(URLS), help=", ".join(URLS))
    parser.add_argument("--share", type=float, default=1.0, help="of the jobs; 0.001 is a trial")
    parser.add_argument("--json", type=Path, default=WRITTEN)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(asyncio.run(SERIES[given.one](given.storages[0], given.share))))
        return
    found: list[dict[str, Any]] = []
    about = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), "share": given.share}
    durable = "Postgres" in given.storages and PostgresServer.find() is not None
    server = PostgresServer.start(durable=True) if durable else None
    try:
        for storage in given.storages:
            for name in SERIES:
                if (storage == "Postgres" and server is None) or (storage == "memory" and name == "opening"):
                    continue
                found.append(measure(storage, name, given.share, server))
                print(f"{storage:24} {name:26} {json.dumps(found[-1]['points'][-1])}", flush=True)
                given.json.write_text(json.dumps(about | {"found": found}, indent=1) + "\n", encoding="utf-8")
    finally:
        if server is not None:
            server.close()


if __name__ == "__main__":
    main()
