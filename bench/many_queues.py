"""What a claim costs beside 10,000 queues and a backlog of a million jobs, as a ratio to what it costs alone.

Three stores are asked in turn, so that whatever else the machine does falls on all of them alike.
"""

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from time import perf_counter

from bench.setting import MEMORY, SQLITE, Figure, store
from headrace.model.job import NewJob
from headrace.storage.contract import Demand, Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

_BACKLOG = 1_000_000
_QUEUES = 10_000
_OWN = 4_000
"""Jobs of the queue that is asked."""
_CLAIMS = 300
_LIMIT = 10
_BATCH = 5_000


def measure() -> list[Figure]:
    """Ratios of median times; 1 is no difference."""
    return [figure for kind in (MEMORY, SQLITE) for figure in asyncio.run(_compare(kind))]


async def _compare(kind: str) -> Sequence[Figure]:
    clock = SystemClock()
    ids = Ids(clock)
    with ExitStack() as stack:
        stores: list[Storage] = []
        for others in ((), ("big",), tuple(f"other.{number}" for number in range(_QUEUES))):
            stores.append(open_url(stack.enter_context(store(kind)), clock=clock, auto_migrate=True, patience=10))
            await _fill(stores[-1], ids, others)
        alone, one, many = await _time_claims(stores)
        for opened in stores:
            await opened.close()
    label = f"{_BACKLOG // 1_000_000} M others"
    return [
        Figure(f"claim of {_LIMIT}, nothing else in the store", kind, alone * 1000, "ms"),
        Figure(f"the same beside {label} in 1 queue", kind, one / alone, "x", 1.2, least=False),
        Figure(f"the same beside {label} in {_QUEUES:,} queues", kind, many / alone, "x", 1.2, least=False),
    ]


async def _fill(storage: Storage, ids: Ids, others: Sequence[str]) -> None:
    await storage.open()
    await storage.beat("w", [], 3600)
    queues = ["q"] * _OWN + [others[number % len(others)] for number in range(_BACKLOG if others else 0)]
    for start in range(0, len(queues), _BATCH):
        new = [NewJob(ids.new(), "t", queue, "{}") for queue in queues[start : start + _BATCH]]
        await storage.insert(new)


async def _time_claims(stores: Sequence[Storage]) -> Sequence[float]:
    """Median seconds of each."""
    took: list[list[float]] = [[] for _ in stores]
    for _ in range(_CLAIMS):
        for storage, times in zip(stores, took, strict=True):
            started = perf_counter()
            jobs = await storage.claim("w", [Demand("q", _LIMIT)])
            times.append(perf_counter() - started)
            assert len(jobs) == _LIMIT
    return [statistics.median(times) for times in took]
