"""The steps of a measurement: each a program in the queue's own environment, on an empty store."""

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import processes, setting
from bench.peers.catalogue import Adapter
from bench.peers.databases import Server
from bench.peers.environments import TREE

_SYNC = re.compile(r"\bf(?:data)?sync\(")
_PATIENCE = 120.0
"""Seconds of a step."""
_STUCK = 20.0
"""Seconds in which no job is begun."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    share: float = 1.0
    """Of the jobs that an adapter names."""
    longest: float = 10.0
    """Seconds of an enqueue or a drain."""
    samples: int = 200
    idle: float = 15.0


QUICK = Size(rounds=1, share=0.04, longest=2.0, samples=10, idle=1.0)
"""To see that all of it works; its figures mean nothing."""


class Failed(Exception):
    """A step of an adapter went wrong; its words are the step's last ones."""


@dataclass
class Bench:
    """One adapter under measurement."""

    adapter: Adapter
    size: Size
    python: Path
    server: Server | None
    url: str = ""

    @property
    def jobs(self) -> int:
        """In a queue that is drained."""
        return max(200, round(self.adapter.jobs * self.size.share))

    def environment(self) -> Mapping[str, str]:
        """What a step is told by its environment."""
        told = {"BENCH_DATA": setting.DATA, "BENCH_TRACE": setting.TRACE, "BENCH_URL": self.url}
        return os.environ | told | {"BENCH_VARIANT": self.adapter.variant, "PYTHONPATH": f"{TREE}:{TREE / 'src'}"}

    def command(self, mode: str, *numbers: object) -> Sequence[str]:
        """A step, as a program."""
        return [str(self.python), "-m", "bench.peers.drive", self.adapter.module, mode, *map(str, numbers)]

    def ask(self, mode: str, *numbers: object, under: Sequence[str] = ()) -> Any:
        """The answer of a step."""
        command = [*under, *self.command(mode, *numbers)]
        try:
            ran = subprocess.run(
                command,
                cwd=TREE,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.adapter.name} {mode}: no answer within {_PATIENCE:g} s") from None
        for line in reversed(ran.stdout.splitlines()):
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise Failed(f"{self.adapter.name} {mode}: exit code {ran.returncode}\n{(ran.stdout + ran.stderr)[-2000:]}")

    def renew(self) -> None:
        """An empty store."""
        self.url = self.server.fresh() if self.server is not None else self.adapter.url
        self.ask("setup")

    def fill(self) -> int:
        """Jobs for a drain, and how many there are."""
        self.renew()
        if self.adapter.inside:  # there the worker's own process enqueues them
            return self.jobs
        mode = ("bulk", self.jobs, 1000) if self.adapter.bulk else ("callers", self.jobs, 10)
        return int(self.ask(*mode)["in_queue"])

    def drain(self, concurrency: int, number: int = 1) -> dict[str, Any]:
        """The rate between the first handler's start and the last one's, and what the workers weigh then."""
        queued = self.fill()
        setting.forget_marks()
        mode = ("work-inside", concurrency, queued) if self.adapter.inside else ("work", concurrency)
        with self.working([self.command(*mode)] * number) as started:
            _until_still(queued, self.size.longest)
            ended = time.monotonic()
            weight = sum(processes.megabytes(worker.pid) for worker in started)
        begun = sorted(begun for _, begun in setting.marks())
        if len(begun) < 2:
            return {"jobs": len(begun), "per_s": None}
        # one that is cut short may just have done a burst, and wait for its next look
        seconds = (begun[-1] if len(begun) >= queued else max(begun[-1], ended)) - begun[0]
        return {"jobs": len(begun), "complete": len(begun) >= queued, "per_s": (len(begun) - 1) / seconds, "mb": weight}

    def idle(self) -> dict[str, float]:
        """What a worker takes that has nothing to do."""
        self.renew()
        mode = ("work-inside", 0, 0) if self.adapter.inside else ("work", self.adapter.concurrencies[0])
        with self.working([self.command(*mode)]) as (worker,):
            time.sleep(min(3.0, self.size.idle * 2))
            share = processes.share_of_a_core(worker.pid, self.size.idle)
            return {"share": share, "mb": processes.megabytes(worker.pid)}

    def latency(self) -> dict[str, Any]:
        """Of a worker that is idle."""
        self.renew()
        numbers = (self.size.samples, *self.adapter.gaps)
        if self.adapter.inside:
            return self.ask("latency-inside", *numbers)
        with self.working([self.command("work", self.adapter.concurrencies[0])]):
            return self.ask("latency", *numbers)

    @contextmanager
    def working(self, commands: Sequence[Sequence[str]]) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
        """Workers, whose output is kept until the next ones'."""
        log = Path(setting.DATA) / f"{self.adapter.name}.log"
        with processes.workers(commands, self.environment(), log) as started:
            yield started

    def syncs(self) -> float | None:
        """How often the disk is asked to sync for one enqueue, counted by strace where it is installed."""
        if self.server is not None:
            return None
        counts = []
        for jobs in (10, 110):
            self.renew()
            with tempfile.NamedTemporaryFile("r") as file:
                under = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", file.name]
                try:
                    self.ask("one", jobs, 60, under=under)
                except FileNotFoundError:
                    return None
                counts.append(len(_SYNC.findall(file.read())))
        return (counts[1] - counts[0]) / 100


def _until_still(queued: int, longest: float) -> None:
    """Until all jobs were begun, or the time is over, or nothing happens any more."""
    first, seen, moved = None, 0, time.monotonic()
    while True:
        time.sleep(0.05)
        number, now = setting.marked(), time.monotonic()
        if number != seen:
            seen, moved = number, now
            first = first or now
        if number >= queued or (first and now - first > longest) or now - moved > _STUCK:
            return
