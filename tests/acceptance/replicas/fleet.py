"""Worker processes over one database, started by ``headrace worker`` as users start them."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from survival.fleet import PATIENCE, Fleet, wait_until
from survival.ledger import Record

from replicas.runs import Run, runs_of

Process = subprocess.Popen[bytes]


class Replicas(Fleet):
    """All processes on one database. Options are those of an app: ``lease``, ``poll``."""

    def __init__(self, folder: Path, url: str, **options: str) -> None:
        super().__init__(folder)
        self.url = url
        self._environment |= {
            "HEADRACE_URL": url,
            **{f"HEADRACE_{name.upper()}": text for name, text in options.items()},
        }
        self._records: list[Record] = []
        self._read = 0

    def start_workers(self, module: str, processes: int, queues: str, source: Path | None = None) -> Process:
        """A supervisor of so many workers, which run the jobs of these queues."""
        arguments = ("worker", f"{module}:app", "-q", queues, "--processes", str(processes))
        return self.start_of(source, "-m", "headrace", *arguments)

    def start_of(self, source: Path | None, *arguments: str) -> Process:
        """Run ``python`` with the package that is in this folder, if not with ours."""
        ours = self._environment
        if source is not None:
            self._environment = {**ours, "PYTHONPATH": f"{source}{os.pathsep}{ours['PYTHONPATH']}"}
        try:
            return self.start(*arguments)
        finally:
            self._environment = ours

    def wait(self, process: Process) -> int:
        """The exit code of what ends by itself."""
        return process.wait(PATIENCE)

    def wait_ready(self, count: int) -> None:
        """Until so many workers in all were at work."""
        wait_until(lambda: len(self.ready()) >= count, f"{count} workers are at work", 60)

    def effects(self, *kinds: str) -> list[Record]:
        """As of every fleet; what was read is not read again."""
        if self.effects_path.exists():
            with self.effects_path.open("rb") as file:
                file.seek(self._read)
                lines = file.read().rpartition(b"\n")[0]
            self._read += len(lines)
            self._records += [json.loads(line) for line in lines.split(b"\n") if line]
        return [record for record in self._records if not kinds or record["kind"] in kinds]

    def runs(self, task: str) -> Sequence[Run]:
        """Who ran a job of this task, and when."""
        return runs_of(self.effects("begin", "end"), task)

    def complaints(self) -> Sequence[str]:
        """What workers logged as errors."""
        return [record["text"] for record in self.effects("log") if record["level"] != "WARNING"]


@contextmanager
def replicas(folder: Path, url: str, **options: str) -> Iterator[Replicas]:
    """A fleet that is gone afterwards, whatever happens."""
    ships = Replicas(folder, url, **options)
    try:
        yield ships
    except BaseException:
        print(ships.output())
        raise
    finally:
        ships.close()
