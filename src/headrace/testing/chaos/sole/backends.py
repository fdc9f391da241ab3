"""The stores that only one process may write to."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.testing.chaos.scenarios import Fault
from headrace.testing.servers.s3 import S3Server

if TYPE_CHECKING:
    from headrace.testing.chaos.storm import Storm

_TAKEOVERS = 32.0
"""The weight of takeovers: some 250 beside 1,000 kills."""


class SoleBackend:
    """What they have in common. There is one way to each, and nothing befalls it but what befalls its owner."""

    window = 0.0
    """Seconds before a kill of which nothing is promised."""
    options: Mapping[str, str] = {}
    """Options of the app that it wants otherwise than ``workload.OPTIONS``."""
    workload: Mapping[str, str] = {}
    """What it wants of the workload, beside what its scenario wants."""

    def make(self, folder: Path) -> str:
        """The URL of a fresh store."""
        raise NotImplementedError

    def detour(self, url: str) -> str:  # noqa: ARG002 - there is one way
        """No other way to it."""
        return ""

    def faults(self) -> Sequence[Fault]:
        """Of the store itself."""
        return ()

    def heal(self) -> None:
        """Nothing befell it."""

    def writer(self, url: str) -> int | None:  # noqa: ARG002 - its owner, as everybody knows
        """Nobody has to wait for it."""
        return None

    def integrity(self, url: str) -> str:  # noqa: ARG002 - whoever read the rows has read every entry
        """Told by the reader of the rows: each entry of a journal has a checksum."""
        return "ok"

    def keep(self, url: str, folder: Path) -> None:
        """It lies there."""

    def close(self) -> None:
        """Nothing is left."""

    def versions(self) -> Mapping[str, str]:
        """Of what it stands on."""
        return {}


class HybridBackend(SoleBackend):
    """Memory, and a file a little behind it."""

    window = 0.2

    def make(self, folder: Path) -> str:
        import_module("headrace.storage.hybrid")
        return f"hybrid:///{folder / 'jobs.snap'}?interval={round(self.window * 1000)}ms"

    def integrity(self, url: str) -> str:
        path = url.removeprefix("hybrid:///").partition("?")[0]
        with closing(sqlite3.connect(path)) as connection:
            try:
                return "; ".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchmany(5))
            except sqlite3.DatabaseError as error:
                return str(error)

    def versions(self) -> Mapping[str, str]:
        return {"sqlite": sqlite3.sqlite_version}


class BucketBackend(SoleBackend):
    """Object storage, which another process can take over at any moment."""

    def __init__(self) -> None:
        self._url = ""

    def make(self, folder: Path) -> str:
        """On the local disk. What every process needs is imported once, before they are forked."""
        import_module("headrace.storage.objectstore")
        self._url = f"file://{folder / 'objects'}"
        return self._url

    def faults(self) -> Sequence[Fault]:
        return (Fault("takeovers", _TAKEOVERS, self._take_over),)

    def versions(self) -> Mapping[str, str]:
        return {"slatedb": version("slatedb")}

    def _take_over(self, storm: "Storm") -> bool:
        from headrace.testing.chaos.sole.storm import SoleStorm

        assert isinstance(storm, SoleStorm)
        return storm.take_over(f"{self._url}?takeover=1")


class S3Backend(BucketBackend):
    """The same in a bucket of moto, which keeps all in memory, and answers one request after another."""

    options: Mapping[str, str] = {"patience": "25s"}
    workload: Mapping[str, str] = {"enough": "10"}

    def __init__(self) -> None:
        super().__init__()
        self._server: S3Server | None = None
        self._bucket = ""

    def make(self, folder: Path) -> str:  # noqa: ARG002 - it is in the server
        """A new bucket, to which the environment leads from now on."""
        import_module("headrace.storage.objectstore")
        if self._server is None:
            self._server = S3Server.start()
            os.environ.update(self._server.environment())
        if self._bucket:
            self._server.drop_bucket(self._bucket)
        self._bucket = self._server.create_bucket()
        self._url = f"s3://{self._bucket}/jobs"
        return self._url

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server, self._bucket = None, ""

    def versions(self) -> Mapping[str, str]:
        return {**super().versions(), "moto": version("moto")}


SOLE_BACKENDS: Mapping[str, SoleBackend] = {
    "hybrid": HybridBackend(),
    "objectstore": BucketBackend(),
    "s3": S3Backend(),
}
