"""The demo's workers: the real command, under its supervisor; and the death of one of them."""

import json
import os
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from headrace.interface.cli.demo import roster, tasks
from headrace.interface.cli.demo.tasks import QUEUE
from headrace.model.job import Job
from headrace.model.state import RUNNING
from headrace.storage.contract import Filter, Storage
from headrace.system.program import Program

SLOTS = 2
"""Jobs at once in each process."""
_GRACE = 15.0
_MOST_RUNNING = 100
_LOG_TAIL = 12


class DemoStopped(Exception):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True)
class Casualty:
    """A worker that was killed, and what it had in hand."""

    pid: int
    held: list[Job]
    killed_at: float = 0.0

    @property
    def sources(self) -> list[str]:
        """The names of the files it was at."""
        return [Path(json.loads(job.payload)["source"]).name for job in self.held]


class Workforce:
    """One supervisor and its children."""

    def __init__(self, program: Program, folder: Path, log: Path) -> None:
        self._program, self._folder, self._log = program, folder, log

    @staticmethod
    async def start(url: str, folder: Path, processes: int) -> "Workforce":
        """Run ``headrace worker``; what it prints goes to ``worker.log``."""
        roster.prepare(folder)
        log = folder / "worker.log"
        log.write_bytes(b"")  # an earlier run's words would be taken for this one's
        environment = {**os.environ, "HEADRACE_URL": url}
        program = await Program.start([sys.executable, "-m", *_words(processes)], environment, log)
        return Workforce(program, folder, log)

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._program.pid

    def check(self) -> None:
        """DemoStopped where the workers are gone."""
        if self._program.exit_code is not None:
            raise DemoStopped(f"the workers ended, exit code {self._program.exit_code}.{last_words(self._log)}")

    async def kill_one(self, storage: Storage, acknowledged: Container[str], now: float) -> Casualty | None:
        """SIGKILL for a child that runs acknowledged jobs; None where none does at this moment.

        It is frozen first: what it holds then, it still holds when it dies.
        """
        running = await storage.find(Filter(states=RUNNING, queue=QUEUE), limit=_MOST_RUNNING)
        for worker in {job.worker for job in running.jobs if job.worker is not None}:
            pid = roster.pid_of(self._folder, worker)
            if pid is None or not await self._program.freeze(pid):
                continue
            dies = False
            try:
                page = await storage.find(Filter(states=RUNNING, queue=QUEUE, worker=worker), limit=_MOST_RUNNING)
                dies = bool(page.jobs) and all(job.id in acknowledged for job in page.jobs)
            finally:
                self._program.kill(pid) if dies else self._program.thaw(pid)
            if dies:
                return Casualty(pid, list(page.jobs), now)
        return None

    async def stop(self) -> None:
        """Returns when all its processes have ended."""
        await self._program.stop(_GRACE)


def last_words(log: Path) -> str:
    """The end of what was printed, to follow a sentence."""
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
    return f" The last words:\n{tail}" if tail else ""


def command(processes: int) -> str:
    """What is run, as it would be typed."""
    return f"headrace worker {_words(processes)[2]} -q {QUEUE}:{SLOTS} --processes {processes}"


def _words(processes: int) -> list[str]:
    app = f"{tasks.__name__}:app"
    return ["headrace", "worker", app, "-q", f"{QUEUE}:{SLOTS}", "--processes", str(processes)]
