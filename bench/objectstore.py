"""Object storage: what it asks of a bucket at rest and at work, and how long its journals take to be read again.

Requests are counted by a proxy before moto, an S3 in memory of which one answer takes 2 to 5 ms.
"""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter

from bench import enqueue
from bench.setting import PAYLOAD, Figure, make_app, task_of
from headrace import Headrace, Task
from headrace.model.job import NewJob
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.proxy.http import HttpFaults
from headrace.testing.proxy.thread import ProxyThread
from headrace.testing.servers.s3 import S3Server

S3, FILE, HYBRID = "s3, moto", "file:", "hybrid"
_AT_REST = float(os.environ.get("BENCH_REST", "60"))
"""Seconds for which a store at rest is watched."""
_SETTLING = 10.0
_AT_A_TIME = 5_000
_READ_WITHIN = 5.0
"""Seconds for 100,000 jobs."""


class Counted:
    """A bucket, and what is asked of it."""

    def __init__(self, server: S3Server, thread: ProxyThread, faults: HttpFaults) -> None:
        self._server, self._thread, self._faults = server, thread, faults

    def count(self) -> Counter[str]:
        """All requests since the start, by method."""
        return self._thread.ask(lambda _: Counter(self._faults.requests))

    @contextmanager
    def place(self) -> Iterator[str]:
        """The URL of an empty place."""
        bucket = self._server.create_bucket()
        yield f"s3://{bucket}/jobs"
        self._server.drop_bucket(bucket)


@contextmanager
def counted() -> Iterator[Counted]:
    """A server with a proxy before it, to which this process's environment leads."""
    faults = HttpFaults()
    with ExitStack() as stack:
        server = stack.enter_context(S3Server.start())
        thread = stack.enter_context(ProxyThread("127.0.0.1", server.port, speaks=faults.dialogue))
        os.environ.update(server.environment(thread.port))
        yield Counted(server, thread, faults)


def measure() -> list[Figure]:
    """All of it: some five minutes."""
    if S3Server.find() is None:
        print("object storage: not measured, moto is not installed (pip install 'moto[server]')")
        return []
    with counted() as bucket:
        figures = [*at_work(bucket), *at_rest(bucket)]
        with bucket.place() as url:
            figures.append(reading(S3, url, 100_000))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        figures.append(reading(FILE, f"file://{folder}/objects", 100_000))
        figures.append(reading(HYBRID, f"hybrid:///{folder}/few.snap", 100_000))
        figures.append(reading(HYBRID, f"hybrid:///{folder}/many.snap", 1_000_000))
    return figures


# --- requests --------------------------------------------------------------------------------------------------------


def at_rest(bucket: Counted) -> list[Figure]:
    """Of an owner that does nothing, and of a worker that has nothing to do."""
    figures = []
    for who, watch in (("an owner", _own), ("a worker", _work)):
        with bucket.place() as url:
            asked = asyncio.run(watch(bucket, url))
        puts, all_asked = (number / _AT_REST * 3600 for number in (asked["PUT"], asked.total()))
        figures.append(Figure(f"PUTs an hour, {who} at rest", S3, puts, "PUT"))
        figures.append(Figure(f"reads an hour, {who} at rest", S3, all_asked - puts, "requests"))
    return figures


async def _own(bucket: Counted, url: str) -> Counter[str]:
    storage = open_url(url, clock=SystemClock())
    await storage.open()
    await storage.beat("w", [], 60)
    asked = await _watch(bucket)
    await storage.close()
    return asked


async def _work(bucket: Counted, url: str) -> Counter[str]:
    async with make_app(url) as app, app.worker(["default"]):
        return await _watch(bucket)


async def _watch(bucket: Counted) -> Counter[str]:
    await asyncio.sleep(_SETTLING)
    before = bucket.count()
    await asyncio.sleep(_AT_REST)
    return bucket.count() - before


def at_work(bucket: Counted) -> list[Figure]:
    """What jobs cost, and how fast they come in and are run."""
    figures = []
    for question, work in (
        ("enqueue from one caller", enqueue.single),
        ("enqueue from 100 callers", enqueue.callers),
        ("bulk enqueue, 1,000 a call", enqueue.bulk),
        ("no-op jobs, enqueued and run", _run_all),
    ):
        with bucket.place() as url:
            rate, puts = asyncio.run(_load(bucket, url, work))
        figures.append(Figure(question, S3, rate, "jobs/s"))
        figures.append(Figure(f"PUTs per 1,000 jobs, {question}", S3, puts, "PUT"))
    return figures


async def _load(bucket: Counted, url: str, work: enqueue.Work) -> tuple[float, float]:
    """Jobs a second, and PUTs for a thousand of them."""
    async with make_app(url) as app:
        task = task_of(app, "noop")
        await task.aenqueue(**PAYLOAD)
        before, started = bucket.count(), perf_counter()
        jobs = await work(app, task)
        took = perf_counter() - started
        return jobs / took, (bucket.count() - before)["PUT"] / jobs * 1000


async def _run_all(app: Headrace, task: Task) -> int:
    """5,000 jobs."""
    await app.aenqueue_many([task.call(**PAYLOAD) for _ in range(5_000)])
    async with app.worker({"default": 100}) as worker:
        await worker.idle()
    return 5_000


# --- reading ---------------------------------------------------------------------------------------------------------


def reading(store: str, url: str, number: int) -> Figure:
    """How long the next owner takes to be there."""
    asyncio.run(_fill(url, number))
    seconds = asyncio.run(_own_again(url))
    target = _READ_WITHIN if number <= 100_000 else None
    return Figure(f"owning a store of {number:,} jobs again", store, seconds, "s", target, least=False)


async def _fill(url: str, number: int) -> None:
    clock = SystemClock()
    ids, storage = Ids(clock), open_url(url, clock=clock, patience=60.0)
    await storage.open()
    payload = json.dumps(PAYLOAD)
    for _ in range(number // _AT_A_TIME):
        await storage.insert([NewJob(ids.new(), "noop", "default", payload) for _ in range(_AT_A_TIME)])
    await storage.close()


async def _own_again(url: str) -> float:
    begun = perf_counter()
    storage = open_url(url, clock=SystemClock(), patience=60.0)
    await storage.open()
    await storage.beat("w", [], 60)
    took = perf_counter() - begun
    await storage.close()
    return took
