"""``headrace worker`` as a real process, for tests: what it prints, what its children do, how it ends."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Poll, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether this process runs; one that only waits for being collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


class Supervised:
    """One run of the command."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headrace", "worker", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def children(self) -> list[int]:
        """Pids of all children that ever said that they are ready, oldest first."""
        return [int(pid) for pid in re.findall(r"ready: pid (\d+)", self.output)]

    def wait_ready(self, count: int = 1) -> list[int]:
        """Until so many children in all were ready."""
        self.wait_for(lambda: len(self.children()) >= count, f"{count} ready")
        return self.children()

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Until something is so, while the supervisor lives."""

        def looked() -> bool:
            return condition() or self._process.poll() is not None

        try:
            wait_until(looked, what, seconds)
            assert condition(), f"it ended with {self._process.returncode} before: {what}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None

    def wait_line(self, text: str) -> None:
        """Until it printed this."""
        self.wait_for(lambda: text in self.output, f"line {text!r}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        """Its exit code, once it has ended."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s\n{self.output}") from None
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Whatever is left of it ends."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pid in self.children():
            if is_alive(pid) and "headrace" in Path(f"/proc/{pid}/cmdline").read_text():
                wait_until(lambda pid=pid: not is_alive(pid), f"end of child {pid}", 15)
        self._reader.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
