"""A Postgres of the bench's own: durable, with the settings that it comes with, and a new database for each step."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from headrace.testing.servers.postgres import PostgresServer

_TOLD = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")


class Server:
    """One that runs."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._url = ""

    def fresh(self) -> str:
        """An empty database; the one before is gone."""
        if self._url:
            self._server.drop_database(self._url)
        self._url = self._server.create_database()
        return self._url

    def settings(self) -> Mapping[str, str]:
        """Those that decide about durability, as the server says them itself."""
        command = ["psql", "-XAtq", self.fresh(), *(part for name in _TOLD for part in ("-c", f"SHOW {name}"))]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return dict(zip(_TOLD, ran.stdout.split("\n"), strict=False))


@contextmanager
def postgres() -> Iterator[Server | None]:
    """None where no server is installed."""
    if PostgresServer.find() is None:
        yield None
        return
    with PostgresServer.start(durable=True) as server:
        yield Server(server)
