"""Wakes other processes: a datagram socket for each that listens, in a folder beside the file."""

import os
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress

from headrace.system.clock import SystemClock

QUEUES, JOBS, RECORDS = "q", "j", "r"
"""The first letter of a socket's name: what it wants to hear, so that nobody is woken for nothing."""
EVERYTHING = "*"
_LARGEST = 8_000
_PREFIXES = tuple(f"{kind}." for kind in (QUEUES, JOBS, RECORDS))
_SETTLED_MS = 100
"""A folder that changed this shortly before it was listed may have changed again under the same time stamp."""
_LONGEST_PATH = 100
"""Bytes; a socket's address holds 107."""


def topic_kind(topic: str) -> str:
    """Which sockets hear of it."""
    if topic.startswith("job:"):
        return JOBS
    return RECORDS if topic.startswith("record:") else QUEUES


def ensure_folder(path: str) -> str | None:
    """The folder beside the file, private; None where there can be none."""
    folder = f"{path}-wake"
    try:
        os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return None
    return folder if os.path.isdir(folder) else None


class Folder:
    """The folder's address, short enough for a socket however deep it lies."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None
        if len(os.fsencode(path)) > _LONGEST_PATH - 40:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def address(self, name: str) -> str:
        """Where a socket of this name is bound."""
        if self._descriptor is None:
            return os.path.join(self.path, name)
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def close(self) -> None:
        """Lets go of the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Post:
    """Sends what happened to the sockets of other processes. In the writer's thread, but for ``own``."""

    def __init__(self, folder: str | None) -> None:
        self._folder = None if folder is None else Folder(folder)
        self._socket: socket.socket | None = None
        self._clock = SystemClock()
        self._stamp, self._settled = -1, False
        self._names: Collection[str] = ()
        self.own: set[str] = set()
        """Names of sockets of this process: they hear directly."""

    def hears_jobs(self) -> bool:
        """Whether any other process listens to jobs."""
        return any(name[0] == JOBS and name not in self.own for name in self._listed())

    def send(self, topics: Iterable[str]) -> None:
        """One small datagram for each who may want it. Never waits; what is lost was a hint."""
        names = [name for name in self._listed() if name not in self.own]
        if not names or self._folder is None:
            return
        by_kind: dict[str, list[str]] = {}
        for topic in topics:
            by_kind.setdefault(topic_kind(topic), []).append(topic)
        for name in names:
            told = by_kind.get(name[0])
            if told:
                text = "\n".join(told)
                self._send(name, (text if len(text) <= _LARGEST else EVERYTHING).encode())

    def _send(self, name: str, message: bytes) -> None:
        folder = self._folder
        if folder is None:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.sendto(message, folder.address(name))
        except ConnectionRefusedError:
            with suppress(OSError):
                os.unlink(os.path.join(folder.path, name))
        except OSError:
            return

    def _listed(self) -> Collection[str]:
        if self._folder is None:
            return ()
        try:
            stamp = os.stat(self._folder.path).st_mtime_ns
            if stamp != self._stamp or not self._settled:
                self._settled = self._clock.wall() - stamp // 1_000_000 > _SETTLED_MS
                self._names = [name for name in os.listdir(self._folder.path) if name.startswith(_PREFIXES)]
                self._stamp = stamp
        except OSError:
            self._names = ()
        return self._names

    def close(self) -> None:
        """Sends nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._folder is not None:
            self._folder.close()
