"""How soon one process learns that another has finished a job, and how soon a running job is stopped from elsewhere."""

import asyncio
import statistics
import sys
from time import monotonic, sleep

from bench.setting import SQLITE, Figure, run_python, store
from headrace import Cancelled, Headrace, JobCancelled, State, current

_SAMPLES = 200
_NEIGHBOURS = 8
"""Jobs that run beside those that are measured."""


def measure() -> list[Figure]:
    """Medians and 99th percentiles of 200 samples, one job at a time."""
    with store(SQLITE) as url:
        child = run_python("-m", "bench.waiting", url)
        assert child.stdout is not None
        child.stdout.readline()
        samples = asyncio.run(_ask(url))
        child.terminate()
        child.wait(30)
    figures = []
    for question, seconds in samples.items():
        target = 50.0 if question == "join" else 1000.0
        figures += [
            Figure(f"{question}, across processes, p50", SQLITE, statistics.median(seconds) * 1000, "ms"),
            Figure(f"{question}, across processes, p99", SQLITE, _p99(seconds) * 1000, "ms", target, least=False),
        ]
    return figures


def _p99(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99) - 1]


async def _ask(url: str) -> dict[str, list[float]]:
    app = _app(url)
    async with app:
        for _ in range(_NEIGHBOURS):
            await app.aenqueue("on_loop")
        joins = [await _join(app, 0.002 + sample % 7 / 1000) for sample in range(_SAMPLES)]
        return {
            "join": joins,
            "cancel on the loop": [await _cancel(app, "on_loop") for _ in range(_SAMPLES)],
            "cancel in a thread": [await _cancel(app, "in_thread") for _ in range(_SAMPLES)],
        }


async def _join(app: Headrace, seconds: float) -> float:
    """From the handler's last line to the end of the join: the job's own commit lies in between."""
    ended = await app.aresult(await app.aenqueue("now", {"seconds": seconds}), 30)
    assert isinstance(ended, float)
    return monotonic() - ended


async def _cancel(app: Headrace, task: str) -> float:
    """From the call of ``cancel`` to the moment at which the job is known to be cancelled."""
    receipt = await app.aenqueue(task)
    while (job := await app.ajob(receipt)) is None or job.state is not State.RUNNING:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)  # its handler is at work
    asked = monotonic()
    await app.acancel(receipt)
    try:
        await app.aresult(receipt, 30)
    except JobCancelled:
        return monotonic() - asked
    raise AssertionError("it was not cancelled")


def _app(url: str) -> Headrace:
    app = Headrace(url)

    @app.task(name="now")
    async def now(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return monotonic()

    @app.task(name="on_loop")
    async def on_loop() -> None:
        await asyncio.sleep(3600)

    @app.task(name="in_thread")
    def in_thread() -> None:
        while not current().cancelled:
            sleep(0.005)
        raise Cancelled

    return app


def serve(url: str) -> None:
    """Runs in the child: the worker."""
    app = _app(url)
    app.on_worker_start(lambda: print("ready", flush=True))
    app.run({"default": _NEIGHBOURS + 2})


if __name__ == "__main__":
    serve(sys.argv[1])
