"""Programs that tests start: what they print, and how they end."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE = 30.0


class Program:
    """One run of ``python ...``; its stdout and stderr are read as they come."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=dict(environment),
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
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def wait_line(self, pattern: str, count: int = 1, seconds: float = PATIENCE) -> re.Match[str]:
        """The match in the ``count``-th line that has one, once that line is there."""

        def found() -> list[re.Match[str]]:
            return [match for line in self._lines if (match := re.search(pattern, line))]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._ended, seconds)
            matches = found()
        assert len(matches) >= count, f"{len(matches)} of {count} lines with {pattern!r} in:\n{self.output}"
        return matches[count - 1]

    def end(self, number: signal.Signals | None = None, seconds: float = PATIENCE) -> int:
        """Its exit code once it has ended; where a signal is given, after that signal."""
        if number is not None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.output}") from None
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """It is gone, and so are those that it started: the pipe ends with the last of them."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), f"something that it started runs on:\n{self.output}"
        assert self._process.stdout is not None
        self._process.stdout.close()


Start = Callable[..., Program]


def environment_of(url: str) -> dict[str, str]:
    """For programs that find the examples, keep their jobs at ``url``, and take warnings for errors."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    path = os.pathsep.join([str(EXAMPLES), *filter(None, [ours.get("PYTHONPATH")])])
    return {
        **ours,
        "HEADRACE_URL": url,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "error",
    }
