"""A fixed piece of work, whose instructions ``bench.guard`` counts: 2,000 jobs are enqueued, claimed and completed.

``python -m bench.guarded KIND [ROUNDS]``, under callgrind with ``--instr-atstart=no``. What comes before the work, the
imports above all, is not counted. Ids come from a seed, and garbage is collected at no moment of its own choice.
"""

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bench.setting import PAYLOAD
from headrace import Headrace
from headrace.model.change import Change, Held, Patch
from headrace.model.job import NewJob
from headrace.model.state import State
from headrace.storage.contract import Demand, Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids, jitter_source
from headrace.testing.clock import VirtualClock, VirtualLoop, VirtualSpawn

KINDS = ("memory", "sqlite", "worker-memory")
ROUNDS = 20
"""Of a hundred jobs."""
_WARM_UP = 3
_DONE = Patch(State.COMPLETED, release_key=True)
_TEXT = "{" + f'"note":"{"x" * 90}"' + "}"


async def calls(url: str, rounds: int) -> None:
    """The storage by itself, one call after another."""
    clock = VirtualClock() if url == "memory:" else SystemClock()
    storage, ids = open_url(url, clock=clock, auto_migrate=True), Ids(clock, seed=1)
    await storage.open()
    await storage.beat("w", [], 3600)
    await _cycle(storage, ids, _WARM_UP)
    with counted():
        await _cycle(storage, ids, rounds)
    await storage.close()


async def _cycle(storage: Storage, ids: Ids, rounds: int) -> None:
    for _ in range(rounds):
        await storage.insert([NewJob(ids.new(), "t", "q", _TEXT) for _ in range(100)])
        jobs = await storage.claim("w", [Demand("q", 100)])
        assert len(jobs) == 100
        await storage.apply([Change(job.id, Held("w", job.generation), _DONE) for job in jobs])


async def worker(url: str, rounds: int) -> None:
    """An app enqueues, and its worker runs them: in virtual time, where the same happens in the same order."""
    app = Headrace(url)
    app.clock, app.spawn, app.entropy = VirtualClock(), VirtualSpawn(), jitter_source(1)
    app.ids = Ids(app.clock, seed=1)

    @app.task(name="noop")
    async def noop(**_: object) -> None: ...

    async with app, app.worker({"default": 100}) as working:
        for number in (_WARM_UP, rounds):
            with counted(number == rounds):
                for _ in range(number):
                    await app.aenqueue_many([noop.call(**PAYLOAD) for _ in range(100)])
                await working.idle()


@contextmanager
def counted(wanted: bool = True) -> Iterator[None]:
    """Instructions are counted from entry to exit, where callgrind runs this."""
    gc.collect()
    if wanted:
        _switch("on")
    yield
    if wanted:
        _switch("off")


def _switch(how: str) -> None:
    if "HEADRACE_GUARD" in os.environ:
        subprocess.run(["callgrind_control", "-i", how, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def main(kind: str, rounds: int) -> None:
    """One of KINDS."""
    gc.disable()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        url = "memory:" if kind.endswith("memory") else f"sqlite:///{folder}/jobs.db"
        with asyncio.Runner(loop_factory=VirtualLoop if url == "memory:" else None) as runner:
            runner.run((worker if kind.startswith("worker") else calls)(url, rounds))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
