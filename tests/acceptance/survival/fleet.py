"""The processes of one test: they are started here, found by a mark in their environment, and ended here."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from survival import ledger
from survival.ledger import Record

HERE = Path(__file__).resolve().parent.parent
PATIENCE = 30.0

_TETHERED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Has the kernel kill what we started when we end, however that happens: a test's time limit ends us by _exit."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Poll until ``condition`` holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Fleet:
    """All processes on one store."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        self.url = f"sqlite:///{self.database}"
        self.effects_path = folder / "effects"
        self._mark = f"SURVIVAL_EFFECTS={self.effects_path}".encode()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE", "SURVIVAL"))},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
            "HEADRACE_URL": self.url,
            "SURVIVAL_EFFECTS": str(self.effects_path),
            **{f"SURVIVAL_{name.upper()}": value for name, value in options.items()},
        }
        self._started: list[subprocess.Popen[bytes]] = []

    # --- starting ----------------------------------------------------------------------------------------------------

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run ``python`` with these arguments. What it prints is kept in the folder; its stdin ends with us."""
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _TETHERED, str(os.getpid()), *arguments],
                cwd=HERE,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One worker without a supervisor."""
        return self.start("-m", "survival.worker")

    def start_supervisor(self, processes: int) -> subprocess.Popen[bytes]:
        """A supervisor and its workers, as users start them."""
        return self.start(
            "-m", "headrace", "worker", "survival.app:app", "-q", "default:4", "--processes", str(processes)
        )

    def start_producer(self, requests: Path, first: int) -> subprocess.Popen[bytes]:
        """A process that enqueues until its stdin ends."""
        return self.start("-m", "survival.producer", str(requests), str(first))

    # --- looking -----------------------------------------------------------------------------------------------------

    def effects(self, *kinds: str) -> list[Record]:
        """What the workers wrote so far; with ``kinds`` only those."""
        records = ledger.read(self.effects_path)
        return [record for record in records if record["kind"] in kinds] if kinds else records

    def ready(self) -> set[int]:
        """The pids of all workers that ever were at work."""
        return {record["pid"] for record in self._ups()}

    def said_ready(self, supervisor: int) -> bool:
        """Whether this supervisor ever had a worker at work."""
        return any(record["parent"] == supervisor for record in self._ups())

    def _ups(self) -> list[Record]:
        return ledger.read(self.folder / "effects-up")

    def pids(self) -> set[int]:
        """All living processes of this fleet, whoever started them."""
        return {int(name) for name in os.listdir("/proc") if name.isdecimal() and self._is_ours(int(name))}

    def children(self, parent: int) -> list[int]:
        """The living workers of a supervisor."""
        return sorted(pid for pid in self.pids() if _parent(pid) == parent)

    def _is_ours(self, pid: int) -> bool:
        try:
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def output(self) -> str:
        """The end of all that was printed."""
        path = self.folder / "output"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    # --- ending ------------------------------------------------------------------------------------------------------

    def send(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal to a process of ours: not to another one that was given the same pid."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if not self._is_ours(pid):
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill -9, and reap."""
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def kill_supervisor(self, process: subprocess.Popen[bytes]) -> Sequence[int]:
        """Kill -9, and the pids of the workers that it leaves behind."""
        process.send_signal(signal.SIGSTOP)  # so that it starts no further one meanwhile
        orphans = self.children(process.pid)
        self.kill(process)
        return orphans

    def let_go(self, process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
        """End its stdin, which is how producers and claimers are told, and its exit code."""
        if process.stdin is not None:
            process.stdin.close()
        return process.wait(seconds)

    def end(self, process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
        """Ask it to end, and its exit code."""
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        return process.wait(seconds)

    def close(self) -> None:
        """Nothing of ours runs any more."""
        for process in self._started:
            if process.poll() is None:
                self.kill(process)
            elif process.stdin is not None:
                process.stdin.close()
        deadline = time.monotonic() + PATIENCE
        while left := self.pids():
            for pid in left:
                self.send(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, f"still there after kill -9: {left}"
            time.sleep(0.02)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def fleet(folder: Path, **options: str) -> Iterator[Fleet]:
    """A fleet that is gone afterwards, whatever happens."""
    ships = Fleet(folder, **options)
    try:
        yield ships
    except BaseException:
        print(ships.output())
        raise
    finally:
        ships.close()
