"""A named pipe that processes of a test hold open: it tells what they say, and whether any of them is left."""

import os
import select
from pathlib import Path

PATIENCE = 30.0


class Witness:
    """``exec 9>"$0"`` in a shell makes it and all that it starts hold this pipe, unless they let go of it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.heard: list[str] = []
        self._open()

    def _open(self) -> None:
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)
        self._said = b""

    def hear(self, line: str, count: int = 1) -> None:
        """Wait until it was said so often in all."""
        while self.heard.count(line) < count:
            assert self._poll.poll(PATIENCE * 1000), f"nobody said {line!r} in {PATIENCE} s; heard: {self.heard}"
            assert self._read(), f"they are gone and nobody said {line!r}; heard: {self.heard}"

    def is_held(self) -> bool:
        """Whether any process that held it is left; somebody must have been heard before."""
        while self._read():
            continue
        return self._left

    def wait_gone(self) -> None:
        """Wait until none is left that held it; somebody must have been heard before."""
        while self.is_held():
            assert self._poll.poll(PATIENCE * 1000), f"still held after {PATIENCE} s"

    def _read(self) -> bool:
        """Whether there may be more to read."""
        try:
            data = os.read(self._end, 65536)
        except BlockingIOError:
            self._left = True
            return False
        self._left = bool(data)
        *lines, self._said = (self._said + data).split(b"\n")
        self.heard += [line.decode() for line in lines]
        return bool(data)

    def reopen(self) -> None:
        """Once all are gone: for others to come."""
        self.close()
        self._open()

    def close(self) -> None:
        os.close(self._end)
