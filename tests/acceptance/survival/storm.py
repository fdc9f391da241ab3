"""The killer: kill -9 at random moments, seeded, and whatever was killed is started again."""

import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from survival.fleet import Fleet, wait_until

KINDS = {"worker": 60, "producer": 30, "supervisor": 10}
SOONEST, LATEST = 0.05, 0.3
"""Seconds between kills."""
STARTING = 0.15
"""The share of workers that are killed while they may still be starting."""
PATIENCE_FOR_A_VICTIM = 2.0
_A_NUMBER_SPACE = 1_000_000


@dataclass
class Storm:
    """Producers and a supervisor, under fire."""

    fleet: Fleet
    seed: int
    producers: int = 2
    processes: int = 4
    killed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._producing: list[subprocess.Popen[bytes]] = []
        self._made = 0
        self.orphans: set[int] = set()

    def run(self, kills: int) -> None:
        """The storm itself."""
        self._supervisor = self.fleet.start_supervisor(self.processes)
        for _ in range(self.producers):
            self._start_producer()
        wait_until(lambda: self.fleet.effects("end"), "a job has run")
        for _ in range(kills):
            time.sleep(self._random.uniform(SOONEST, LATEST))
            self._strike(self._random.choices(list(KINDS), list(KINDS.values()))[0])

    def end_producers(self) -> None:
        """No more jobs: what producers are about, they finish."""
        for process in self._producing:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._producing:
            code = process.wait(30)
            assert code == 0, f"a producer ended with {code}"

    def end_supervisor(self) -> int:
        """Its exit code."""
        assert self._supervisor is not None
        return self.fleet.end(self._supervisor)

    def requests(self) -> list[Path]:
        """The ledgers of all producers there ever were."""
        return sorted(self.fleet.folder.glob("requests-*"))

    def _strike(self, kind: str) -> None:
        assert self._supervisor is not None
        assert self._supervisor.poll() is None, f"the supervisor ended by itself with {self._supervisor.returncode}"
        match kind:
            case "worker":
                self._kill_worker(self._supervisor.pid)
            case "producer":
                victim = self._random.randrange(len(self._producing))
                self.fleet.kill(self._producing.pop(victim))
                self._start_producer()
            case _:
                self.orphans |= set(self.fleet.kill_supervisor(self._supervisor))
                self._supervisor = self.fleet.start_supervisor(self.processes)
        self.killed[kind] += 1

    def _kill_worker(self, supervisor: int) -> None:
        """Mostly one that is at work, now and then one that is just starting."""
        any_will_do = self._random.random() < STARTING
        deadline = time.monotonic() + PATIENCE_FOR_A_VICTIM

        def strike() -> bool:
            workers = self.fleet.children(supervisor)
            at_work = sorted(self.fleet.ready().intersection(workers))
            chosen = workers if any_will_do or time.monotonic() > deadline else at_work
            return bool(chosen) and self.fleet.send(self._random.choice(chosen), signal.SIGKILL)

        wait_until(strike, "the supervisor has a worker")

    def _start_producer(self) -> None:
        path = self.fleet.folder / f"requests-{self._made:04}"
        self._made += 1
        self._producing.append(self.fleet.start_producer(path, self._made * _A_NUMBER_SPACE))
