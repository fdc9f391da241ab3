"""What servers have in common when they are our own: a process, a folder, a port, and an end."""

from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.testing.servers.daemon import Daemon, ServerFailed, free_port
from headrace.testing.servers.databases import Postgres

_TRIES = 5


class OwnedServer:
    """A server on 127.0.0.1 that is gone when its owner is."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._port = 0

    @property
    def port(self) -> int:
        """It stays the same, however often the server is started."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process that was started; None while none runs."""
        return self._daemon.pid

    @property
    def folder(self) -> Path:
        """All that it keeps, its ``log`` included."""
        return self._daemon.folder

    @property
    def log(self) -> str:
        """What it has logged since it was last started."""
        return self._daemon.log

    def resume(self) -> None:
        """Starts it again where it was stopped, at the same port."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends it at once, and removes its folder. May be called again."""
        self._daemon.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_port(self) -> None:
        """Starts it for the first time, on a port that nobody else took meanwhile."""
        for tries_left in reversed(range(_TRIES)):
            self._port = free_port()
            try:
                self.resume()
                break
            except ServerFailed:
                if not tries_left or "address already in use" not in self.log.lower():
                    raise


class OwnedPostgres(OwnedServer, Postgres):
    """One that speaks Postgres."""

    def __init__(self, daemon: Daemon) -> None:
        OwnedServer.__init__(self, daemon)
        Postgres.__init__(self, "")

    def _open(self, user: str, database: str) -> None:
        """Starts it for the first time. Its own URL names these."""
        self._find_port()
        self._url = f"postgresql://{user}@127.0.0.1:{self.port}/{database}"
