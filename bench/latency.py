"""How long from enqueue to the handler's first line on an idle worker, and what that idle worker costs."""

import asyncio
import statistics
import sys
from time import monotonic

from bench.setting import SQLITE, Figure, make_app, marks, run_python, store, task_of

_SAMPLES = 200
_IDLE_SECONDS = 20


def measure() -> list[Figure]:
    """Medians of 200 samples, one job at a time."""
    with store(SQLITE) as url:
        inside = asyncio.run(_inside(url))
    with store(SQLITE) as url:
        across, idle = across_processes(url)
    return [
        Figure("latency p50, in process", SQLITE, statistics.median(inside) * 1000, "ms", 1, least=False),
        Figure("latency p99, in process", SQLITE, _p99(inside) * 1000, "ms"),
        Figure("latency p50, across processes", SQLITE, statistics.median(across) * 1000, "ms", 5, least=False),
        Figure("latency p99, across processes", SQLITE, _p99(across) * 1000, "ms"),
        Figure("idle worker, share of a core", SQLITE, idle * 100, "%", 1, least=False),
    ]


def _p99(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99) - 1]


async def _inside(url: str) -> list[float]:
    app = make_app(url)
    marks.clear()
    async with app, app.worker({"default": 10}):
        task = task_of(app, "mark")
        for sample in range(_SAMPLES):
            await app.aresult(await task.aenqueue(monotonic()), 10)
            await asyncio.sleep(0.002 + sample % 7 / 1000)
    return list(marks)


def across_processes(url: str) -> tuple[list[float], float]:
    """A worker in a child; its share of a core is measured while it has nothing to do."""
    child = run_python("-m", "bench.latency", url)
    assert child.stdout is not None
    child.stdout.readline()
    idle = processor_share(child.pid)
    samples = asyncio.run(_send(url, child))
    child.terminate()
    child.wait(30)
    return samples, idle


def processor_share(pid: int) -> float:
    """The share of a core that a process takes while nothing is asked of it."""

    def spent() -> float:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    asyncio.run(asyncio.sleep(2))
    before, started = spent(), monotonic()
    asyncio.run(asyncio.sleep(_IDLE_SECONDS))
    return (spent() - before) / (monotonic() - started)


async def _send(url: str, child: "object") -> list[float]:
    app = make_app(url)
    samples = []
    async with app:
        task = task_of(app, "mark")
        for sample in range(_SAMPLES):
            await task.aenqueue(monotonic())
            samples.append(float(await asyncio.to_thread(child.stdout.readline)))
            await asyncio.sleep(0.002 + sample % 7 / 1000)
    return samples


def serve(url: str) -> None:
    """Runs in the child: a worker that prints each job's latency."""
    app = make_app(url)
    app.on_worker_start(lambda: print("ready", flush=True))

    async def tell(job: object, call_next: object) -> object:
        value = await call_next(job)
        print(marks.pop(), flush=True)
        return value

    app.add_middleware(tell)
    app.run({"default": 10})


if __name__ == "__main__":
    serve(sys.argv[1])
