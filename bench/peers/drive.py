"""``python -m bench.peers.drive MODULE MODE [NUMBER...]``: one step of a measurement, in the queue's own environment.

MODE is ``setup``, ``about PACKAGE``, ``one JOBS SECONDS``, ``callers JOBS CALLERS``, ``bulk JOBS SIZE``,
``latency SAMPLES LEAST MOST``, ``work CONCURRENCY``, or, where producer and worker share a process,
``work-inside CONCURRENCY JOBS`` and ``latency-inside SAMPLES LEAST MOST``. It prints one line of JSON, or works until
it is killed.
"""

import asyncio
import importlib
import inspect
import json
import os
import platform
import random
import sys
import time
from collections.abc import Awaitable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from typing import Any

from bench.peers.setting import forget_marks, marked, marks, payload

_WARM_UP = 20
"""Jobs before the first that counts; they are in the queue as well."""
_SIZE = 1000
_LOST_AFTER = 20.0
_LONGEST = 60.0
"""Seconds."""


async def settled(value: Any) -> Any:
    """The answer of a sync or an async function."""
    return await value if inspect.isawaitable(value) else value


def run(adapter: Any, work: Coroutine[Any, Any, Any]) -> Any:
    """An async adapter has a loop; a sync one has none, as its users would."""
    if is_async(adapter):
        return asyncio.run(work)
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a sync adapter waited for something")


def is_async(adapter: Any) -> bool:
    """Whether a producer is to be awaited."""
    return inspect.iscoroutinefunction(adapter.Producer.one)


async def pause(adapter: Any, seconds: float) -> None:
    """Lets time pass, and an async client go on meanwhile."""
    if is_async(adapter):
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop


async def started(adapter: Any) -> Any:
    """A producer that is warm."""
    producer = adapter.Producer()
    await settled(producer.start())
    for number in range(_WARM_UP):
        await settled(producer.one(payload(number)))
    return producer


async def one(adapter: Any, jobs: float, longest: float) -> dict[str, Any]:
    """One caller, one job after another."""
    producer = await started(adapter)
    payloads = [payload(number) for number in range(int(jobs))]
    done, began = 0, time.monotonic()
    for job in payloads:
        answer = producer.one(job)
        if isinstance(answer, Awaitable):
            await answer
        done += 1
        if done % 100 == 0 and time.monotonic() - began > longest:
            break
    seconds = time.monotonic() - began
    await settled(producer.stop())
    return {"jobs": done, "seconds": seconds, "per_s": done / seconds}


async def callers(adapter: Any, jobs: float, number: float) -> dict[str, Any]:
    """Many callers at once: tasks of one loop, or threads."""
    producer = await started(adapter)
    shares = [[payload(job) for job in range(int(jobs // number))] for _ in range(int(number))]
    began = time.monotonic()
    if is_async(adapter):

        async def call(share: list[Any]) -> None:
            for job in share:
                await producer.one(job)

        await asyncio.gather(*map(call, shares))
    else:
        with ThreadPoolExecutor(int(number)) as pool:
            list(pool.map(lambda share: [producer.one(job) for job in share], shares))
    seconds = time.monotonic() - began
    await settled(producer.stop())
    done = sum(map(len, shares))
    return {"jobs": done, "in_queue": done + _WARM_UP, "seconds": seconds, "per_s": done / seconds}


async def bulk(adapter: Any, jobs: float, size: float) -> dict[str, Any]:
    """Many jobs a call."""
    producer = await started(adapter)
    payloads, share = [payload(number) for number in range(int(jobs))], int(size)
    began = time.monotonic()
    for first in range(0, len(payloads), share):
        await settled(producer.bulk(payloads[first : first + share]))
    seconds = time.monotonic() - began
    await settled(producer.stop())
    done = len(payloads)
    return {"jobs": done, "in_queue": done + _WARM_UP, "seconds": seconds, "per_s": done / seconds}


async def latency(adapter: Any, samples: float, least: float, most: float, inside: bool = False) -> dict[str, Any]:
    """From just before the call to the handler's first line, one job at a time."""
    forget_marks()
    async with AsyncExitStack() as stack:
        producer = await started(adapter)
        if inside:
            await enter(stack, adapter.working(0))
        until = time.monotonic() + _LOST_AFTER
        while marked() < _WARM_UP and time.monotonic() < until:
            await pause(adapter, 0.01)
        chance, begins, lost = random.Random(7), time.monotonic(), 0
        for number in range(int(samples)):
            seen, job = marked(), payload(number)
            await pause(adapter, chance.uniform(least, most))
            job["sent"] = time.monotonic()
            await settled(producer.one(job))
            while marked() == seen and time.monotonic() < job["sent"] + _LOST_AFTER:
                await pause(adapter, 0.0005)
            lost += marked() == seen
            if lost > 3 or time.monotonic() - begins > _LONGEST:
                break
    await settled(producer.stop())
    took = sorted((begun - sent) * 1000 for sent, begun in marks() if sent)
    if not took:
        return {"samples": 0, "lost": lost}
    return {"samples": len(took), "lost": lost, "p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)]}


async def work_inside(adapter: Any, concurrency: float, jobs: float) -> None:
    """Fills the queue, and works until it is killed."""
    producer = adapter.Producer()
    await settled(producer.start())
    for first in range(0, int(jobs), _SIZE):
        share = [payload(number) for number in range(first, min(first + _SIZE, int(jobs)))]
        if hasattr(producer, "bulk"):
            await settled(producer.bulk(share))
        else:
            for job in share:
                await settled(producer.one(job))
    async with AsyncExitStack() as stack:
        await enter(stack, adapter.working(int(concurrency)))
        await pause(adapter, 3600)


async def enter(stack: AsyncExitStack, working: Any) -> None:
    """A worker, for as long as the stack."""
    if hasattr(working, "__aenter__"):
        await stack.enter_async_context(working)
    else:
        stack.enter_context(working)


STEPS = {
    "one": one,
    "callers": callers,
    "bulk": bulk,
    "latency": latency,
    "latency-inside": partial(latency, inside=True),
    "work-inside": work_inside,
}


async def about(adapter: Any, package: str) -> dict[str, Any]:
    """The version of its package, and how durable it says it is, where it can be asked."""
    seen = await settled(adapter.durability()) if hasattr(adapter, "durability") else None
    return {"version": version(package), "seen": seen, "python": platform.python_version()}


def main(name: str, mode: str, *given: str) -> None:
    """Prints the answer as the last line."""
    adapter = importlib.import_module(f"bench.peers.adapters.{name}")
    match mode:
        case "about":
            work = about(adapter, given[0])
        case "setup":
            work = settled(adapter.setup())
        case _:
            work = STEPS[mode](adapter, *(float(number) for number in given))
    print("\nANSWER " + json.dumps(run(adapter, work)), flush=True)
    os._exit(0)  # some clients leave threads that nobody ends


if __name__ == "__main__":
    if sys.argv[2] == "work":
        importlib.import_module(f"bench.peers.adapters.{sys.argv[1]}").work(int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
