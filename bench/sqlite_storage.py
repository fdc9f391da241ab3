"""Scratch bench of the SQLite storage alone: python bench/sqlite_storage.py [insert|one|cycle|flat|count]..."""

import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from headrace.model.change import Change, Held, Patch
from headrace.model.job import NewJob
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

PAYLOAD = '{"to":"a@example.com","subject":"' + "x" * 75 + '"}'
IDS = Ids(SystemClock())
DONE = Patch(State.COMPLETED, release_key=True)


def new(**fields: object) -> NewJob:
    return NewJob(**({"id": IDS.new(), "task": "send_email", "queue": "default", "payload": PAYLOAD} | fields))


async def bulk(storage, total=200_000, size=1000, ahead=2):
    """Batches of ``size``, ``ahead`` of them under way at a time."""
    batches = [[new() for _ in range(size)] for _ in range(total // size)]
    batches.reverse()

    async def feed():
        while batches:
            await storage.insert(batches.pop())

    began = time.perf_counter()
    await asyncio.gather(*[feed() for _ in range(ahead)])
    took = time.perf_counter() - began
    print(f"insert x{size}, {ahead} ahead: {total / took:,.0f} rows/s", flush=True)


async def one(storage, total=4000):
    jobs = [new() for _ in range(total)]
    began = time.perf_counter()
    for job in jobs:
        await storage.insert([job])
    print(f"one caller, one job at a time: {total / (time.perf_counter() - began):,.0f}/s", flush=True)


async def cycle(storage, total=60_000, size=100):
    for _ in range(total // 1000):
        await storage.insert([new(queue="cycle") for _ in range(1000)])
    await storage.beat("w", [], 3600)
    began = time.perf_counter()
    done = 0
    settling = None
    while True:
        claiming = asyncio.ensure_future(storage.claim("w", [Demand("cycle", size)]))
        if settling is not None:
            await settling
        jobs = await claiming
        if not jobs:
            break
        settling = asyncio.ensure_future(
            storage.apply([Change(job.id, Held("w", job.generation), DONE) for job in jobs])
        )
        done += len(jobs)
    await settling
    print(f"claim({size})+apply({size}): {done / (time.perf_counter() - began):,.0f} jobs/s", flush=True)


async def claim_cost(storage, label, rounds=30, queue="flat"):
    await storage.beat("w", [], 3600)
    for _ in range(rounds // 10 + 1):
        await storage.insert([new(queue=queue) for _ in range(1000)])
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        jobs = await storage.claim("w", [Demand(queue, 100)])
        times.append(time.perf_counter() - began)
        assert len(jobs) == 100, len(jobs)
        await storage.apply([Change(job.id, Held("w", job.generation), DONE) for job in jobs])
    times.sort()
    middle, worst = times[len(times) // 2] * 1e3, times[-1] * 1e3
    print(f"claim(100) {label}: median {middle:.2f} ms, worst {worst:.2f} ms", flush=True)


async def fill(storage, number, **fields):
    for _ in range(number // 5000):
        await storage.insert([new(**fields) for _ in range(5000)])


async def flat(storage):
    await claim_cost(storage, "empty store")
    await fill(storage, 1_000_000, queue="flat", priority=2000)
    await claim_cost(storage, "a million pending")
    await fill(storage, 1_000_000, queue="flat", priority=1, delay=3600)
    await claim_cost(storage, "+ a million scheduled, high priority, not due")
    for n in range(2):
        await storage.insert([new(queue=f"q{n * 5000 + k}") for k in range(5000)])
    await claim_cost(storage, "+ 10,000 queues")
    began = time.perf_counter()
    jobs = await storage.claim("w", [Demand(f"q{n}", 1) for n in range(10_000)])
    print(f"claim over 10,000 queues: {len(jobs)} in {time.perf_counter() - began:.3f} s")
    began = time.perf_counter()
    await storage.claim("w", [Demand(f"q{n}", 1) for n in range(10_000)])
    print(f"empty claim over 10,000 queues: {time.perf_counter() - began:.4f} s")
    await finish(storage, 1_000_000)
    await claim_cost(storage, "+ a million finished")
    began = time.perf_counter()
    await storage.count()
    print(f"count(): {(time.perf_counter() - began) * 1e3:.2f} ms")


async def finish(storage, number):
    await storage.beat("w", [], 36000)
    began = time.perf_counter()
    for _ in range(number // 5000):
        await storage.insert([new(queue="finishing") for _ in range(5000)])
        jobs = await storage.claim("w", [Demand("finishing", 5000)])
        await storage.apply([Change(job.id, Held("w", job.generation), DONE) for job in jobs])
    print(f"life of {number:,} jobs in batches of 5,000: {number / (time.perf_counter() - began):,.0f}/s")


async def main() -> None:
    wanted = sys.argv[1:] or ["insert", "one", "cycle"]
    folder = tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR"))
    try:
        for name in wanted:
            storage = SqliteStorage(Path(folder) / f"{name}.db")
            await storage.open()
            gc.collect()
            if name == "insert":
                for ahead in (1, 2, 4):
                    await bulk(storage, ahead=ahead)
            else:
                await {"one": one, "cycle": cycle, "flat": flat}[name](storage)
            await storage.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
