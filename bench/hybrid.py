"""Hybrid beside memory, in the same run: what the file costs, what a caller waits at most, and how soon it is back."""

import asyncio
import statistics
from pathlib import Path
from time import perf_counter

from bench.drain import drain
from bench.enqueue import bulk, callers, rate
from bench.setting import HYBRID, MEMORY, PAYLOAD, Figure, make_app, store, task_of

_ROUNDS = 9
_LIVE = 1_000_000


def measure() -> list[Figure]:
    """Medians of nine rounds, memory and hybrid by turns; the rest once."""
    figures = []
    for question, target, rate_at in (
        ("bulk enqueue, 1,000 a call", 200_000, lambda url: rate(url, bulk)),
        ("enqueue from 100 callers", None, lambda url: rate(url, callers)),
        ("drain, concurrency 100", 80_000, lambda url: drain(url, 100_000)),
    ):
        rates = {kind: [] for kind in (MEMORY, HYBRID)}
        for _ in range(_ROUNDS):
            for kind, found in rates.items():
                with store(kind) as url:
                    found.append(asyncio.run(rate_at(url)))
        figures += [Figure(question, kind, statistics.median(found), "jobs/s", target) for kind, found in rates.items()]
    return figures + _at_a_million()


def _at_a_million() -> list[Figure]:
    """One caller enqueues while a million jobs wait, and while writes go on."""
    with store(HYBRID) as url:
        waits = asyncio.run(_pauses(url))
        size = Path(url.removeprefix("hybrid:///")).stat().st_size
        seconds = asyncio.run(_reopen(url))
    waits.sort()
    where = f"{_LIVE:,} live jobs"
    return [
        Figure(f"a caller's enqueue, p50, {where}", HYBRID, statistics.median(waits) * 1000, "ms"),
        Figure(
            f"a caller's enqueue, p99, {where}",
            HYBRID,
            waits[int(len(waits) * 0.99)] * 1000,
            "ms",
            20,
            least=False,
        ),
        Figure(f"a caller's enqueue, worst, {where}", HYBRID, waits[-1] * 1000, "ms"),
        Figure(f"bytes a job in the file, {where}", HYBRID, size / _LIVE, "bytes"),
        Figure(f"open and read, {where}", HYBRID, seconds, "s"),
    ]


async def _pauses(url: str) -> list[float]:
    app = make_app(url)
    async with app:
        task = task_of(app, "noop")
        for _ in range(_LIVE // 1000):
            await app.aenqueue_many([task.call(**PAYLOAD) for _ in range(1000)])
        waits = []
        ends = perf_counter() + 20
        while perf_counter() < ends:
            started = perf_counter()
            await task.aenqueue(**PAYLOAD)
            waits.append(perf_counter() - started)
            if len(waits) % 50 == 0:
                await asyncio.sleep(0.001)
        return waits


async def _reopen(url: str) -> float:
    started = perf_counter()
    app = make_app(url)
    async with app:
        await task_of(app, "noop").aenqueue(**PAYLOAD)
        return perf_counter() - started
