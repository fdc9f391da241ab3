"""What a run needs to know of a backend: a fresh store, what can befall it, and whether it is whole afterwards."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from headrace.testing.chaos.postgres import PostgresBackend
from headrace.testing.chaos.scenarios import Fault
from headrace.testing.chaos.sole.backends import SOLE_BACKENDS


class Backend(Protocol):
    """One kind of store, by the scheme of its URL."""

    def make(self, folder: Path) -> str:
        """The URL of a fresh store, in this folder where it is files."""
        ...

    def detour(self, url: str) -> str:
        """Another way to that store, on which connections are cut; nothing where there is none."""
        ...

    def faults(self) -> Sequence[Fault]:
        """What can befall the store itself in a storm."""
        ...

    def heal(self) -> None:
        """From now on nothing of that befalls it. May be called again."""
        ...

    def writer(self, url: str) -> int | None:
        """The process that holds the right to write at this moment, where that can be known."""
        ...

    def integrity(self, url: str) -> str:
        """``ok``, or what is broken. Asked when no process has it open."""
        ...

    def keep(self, url: str, folder: Path) -> None:
        """Puts into this folder what one wants to look at after a bad run, where it does not lie there already."""
        ...

    def close(self) -> None:
        """No store of it is needed any more."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Of what the backend stands on."""
        ...


class SqliteBackend:
    """A file."""

    def make(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'jobs.db'}"

    def detour(self, url: str) -> str:  # noqa: ARG002 - there is one way to a file
        return ""

    def faults(self) -> Sequence[Fault]:
        return ()

    def heal(self) -> None:
        pass  # nothing did

    def writer(self, url: str) -> int | None:
        try:
            inode = os.stat(f"{_path(url)}-shm").st_ino
        except OSError:
            return None
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()  # "3: POSIX ADVISORY WRITE 24299 fe:00:9978445 120 120"
            if words[3:4] == ["WRITE"] and words[5].endswith(f":{inode}") and words[6] == _WRITE_LOCK:
                return int(words[4])
        return None

    def integrity(self, url: str) -> str:
        path = _path(url)
        with closing(sqlite3.connect(path)) as connection:
            try:
                return "; ".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchmany(5))
            except sqlite3.DatabaseError as error:
                return str(error)

    def keep(self, url: str, folder: Path) -> None:
        pass  # it lies there

    def close(self) -> None:
        pass

    def versions(self) -> Mapping[str, str]:
        return {"sqlite": sqlite3.sqlite_version}


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///").partition("?")[0]


_WRITE_LOCK = "120"
"""The byte of the -shm file that a writer locks in WAL mode."""

BACKENDS: Mapping[str, Backend] = {"postgres": PostgresBackend(), "sqlite": SqliteBackend(), **SOLE_BACKENDS}
