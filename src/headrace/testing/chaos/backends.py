"""What a run needs to know of a backend: a fresh store, and whether it is whole afterwards."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol


class Backend(Protocol):
    """One kind of store, by the scheme of its URL."""

    def make(self, folder: Path) -> str:
        """The URL of a fresh store, in this folder where it is files."""
        ...

    def integrity(self, url: str) -> str:
        """``ok``, or what is broken. Asked when no process has it open."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Of what the backend stands on."""
        ...


class SqliteBackend:
    """A file."""

    def make(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'jobs.db'}"

    def integrity(self, url: str) -> str:
        path = url.removeprefix("sqlite:///").partition("?")[0]
        with closing(sqlite3.connect(path)) as connection:
            return "; ".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchmany(5))

    def versions(self) -> Mapping[str, str]:
        return {"sqlite": sqlite3.sqlite_version}


BACKENDS: Mapping[str, Backend] = {"sqlite": SqliteBackend()}
