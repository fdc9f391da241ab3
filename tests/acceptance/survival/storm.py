"""The killer: kill -9 at random moments, seeded, and whatever was killed is started again."""

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from survival.fleet import Fleet, wait_until

KINDS = {"worker": 60, "producer": 30, "supervisor": 6}
"""What is to be killed, by weight."""
SOONEST, LATEST = 0.05, 0.3
"""Seconds between kills."""
STARTING = 0.1
"""The share of workers that are killed while they may still be starting."""
AIMED = 0.5
"""The share of producers that are killed at the moment at which an acknowledgement before its time would show."""
_AIMING = 0.3
PRODUCERS, SUPERVISORS, PROCESSES = 2, 2, 2
_PATIENCE = 30.0
_NUMBERS = 1_000_000

Process = subprocess.Popen[bytes]


class Storm:
    """Producers and supervised workers, under fire."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        self._supervisors: list[Process] = []
        self._producers: list[tuple[Process, Path]] = []
        self._made = 0
        self.killed: Counter[str] = Counter()
        self.orphans: set[int] = set()
        """Workers whose supervisor was killed."""

    def run(self, kills: int) -> None:
        """The storm itself."""
        for _ in range(SUPERVISORS):
            self._start_supervisor()
        for _ in range(PRODUCERS):
            self._start_producer()
        wait_until(lambda: self._fleet.effects("end"), "a job has run")
        for _ in range(kills):
            time.sleep(self._random.uniform(SOONEST, LATEST))
            match self._random.choices(list(KINDS), list(KINDS.values()))[0]:
                case "worker":
                    self._kill_worker()
                case "supervisor":
                    self._kill_supervisor(self._random.choice(self._supervisors))
                case _:
                    self._kill_producer()

    def end_producers(self) -> None:
        """No more jobs. What producers are about, they finish."""
        codes = [self._fleet.let_go(process) for process, _ in self._producers]
        assert not any(codes), f"producers ended with {codes}"

    def end_supervisors(self) -> None:
        """As users do. Exit code 0 says that nothing is held any more."""
        codes = [self._fleet.end(process) for process in self._supervisors]
        assert not any(codes), f"supervisors ended with {codes}"

    def requests(self) -> list[Path]:
        """The ledgers of all producers there ever were."""
        return sorted(self._fleet.folder.glob("requests-*"))

    # --- starting ----------------------------------------------------------------------------------------------------

    def _start_supervisor(self) -> None:
        self._supervisors.append(self._fleet.start_supervisor(PROCESSES))

    def _start_producer(self) -> None:
        self._made += 1
        path = self._fleet.folder / f"requests-{self._made:04}"
        self._producers.append((self._fleet.start_producer(path, self._made * _NUMBERS), path))

    # --- killing -----------------------------------------------------------------------------------------------------

    def _kill_producer(self) -> None:
        """Every other time when it has just written something: it asked for jobs, or was told that they are safe."""
        process, path = self._producers.pop(self._random.randrange(len(self._producers)))
        if self._random.random() < AIMED:
            size, deadline = _size(path), time.monotonic() + _AIMING
            while _size(path) == size and time.monotonic() < deadline:
                time.sleep(0.0002)
        self._fleet.kill(process)
        self.killed["producer"] += 1
        self._start_producer()

    def _kill_supervisor(self, supervisor: Process) -> None:
        self._supervisors.remove(supervisor)
        self.orphans |= set(self._fleet.kill_supervisor(supervisor))
        self.killed["supervisor"] += 1
        self._start_supervisor()

    def _kill_worker(self) -> None:
        """Mostly one that is at work, now and then one that is just starting."""
        any_will_do = self._random.random() < STARTING
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            ready = self._fleet.ready()
            for supervisor in self._random.sample(self._supervisors, len(self._supervisors)):
                assert supervisor.poll() is None, f"a supervisor ended by itself with {supervisor.returncode}"
                workers = self._fleet.children(supervisor.pid)
                chosen = workers if any_will_do else sorted(ready.intersection(workers))
                if chosen and self._fleet.send(self._random.choice(chosen), signal.SIGKILL):
                    self.killed["worker"] += 1
                    return
                if not workers and self._fleet.said_ready(supervisor.pid):
                    # It puts off their successors ever longer, as it should: time for one that knows nothing.
                    self._kill_supervisor(supervisor)
                    return
            time.sleep(0.02)
        raise AssertionError(f"no worker to kill for {_PATIENCE:g} s")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
