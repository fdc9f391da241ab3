"""A Postgres server of one's own: made in seconds, stopped and restarted as one likes, and removed with its data."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self

from headrace.testing.servers.daemon import Daemon, ServerFailed, run_tool
from headrace.testing.servers.databases import find_binaries
from headrace.testing.servers.owned import OwnedPostgres

Mode = Literal["smart", "fast", "immediate"]
_SIGNALS: Mapping[Mode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_READY_WITHIN = 60.0
"""Seconds, which include the recovery from a crash."""
_TRIES, _RETRY = 50, 0.1
_STATUS_LINE = 7


class PostgresServer(OwnedPostgres):
    """One server on loopback, whose superuser is ``postgres`` and asks for no password.

    ``with PostgresServer.start() as server``. It ends when its owner does, even by SIGKILL.
    """

    def __init__(self, binaries: Path, folder: Path | None, settings: Mapping[str, str]) -> None:
        super().__init__(Daemon(folder, "postgres", signal.SIGQUIT))
        self._binaries = binaries
        self._settings = settings
        self._data = self.folder / "data"

    @staticmethod
    def find() -> Path | None:
        """The folder of the server's binaries; None where they are not installed."""
        return find_binaries()

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        durable: bool = False,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """A new server that accepts connections.

        Its folder is removed with it: a new one, or ``folder``, which must be empty and, where we are root, open to the
        user who runs the server. Not ``durable``, it survives all but a crash of the machine.
        """
        binaries = cls.find()
        if binaries is None:
            raise ServerFailed("Postgres is not installed: apt-get install postgresql")
        server = cls(binaries, folder, {"fsync": "on" if durable else "off", **settings})
        try:
            server._make()
        except BaseException:
            server.close()
            raise
        return server

    def stop(self, mode: Mode = "fast", *, within: float = 30.0) -> None:
        """Ends the server, and keeps its data: ``smart`` waits for its clients, ``fast`` rolls them back, ``immediate``
        is a crash. ServerFailed where it has not ended ``within`` so many seconds."""
        self._daemon.stop(_SIGNALS[mode], within)

    def resume(self) -> None:
        """Starts it again where it was stopped or killed: the same data at the same port."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            **self._settings,
        }
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        for tries_left in reversed(range(_TRIES)):
            try:
                self._daemon.start(command, self._is_ready, _READY_WITHIN)
                break
            except ServerFailed:
                # a postmaster that was killed leaves children behind, which take a moment to notice
                if not tries_left or "still in use" not in self.log:
                    raise
            time.sleep(_RETRY)

    def restart(self, mode: Mode = "fast") -> None:
        """Stops and resumes."""
        self.stop(mode)
        self.resume()

    def _make(self) -> None:
        options = ["--auth=trust", "--username=postgres", "--locale=C.UTF-8", "--encoding=UTF8"]
        run_tool([self._binaries / "initdb", f"--pgdata={self._data}", "--no-sync", "--no-instructions", *options])
        self._open("postgres", "postgres")

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # the file of a server that crashed is still there
        return lines[:1] == [str(self.pid)] and [line.strip() for line in lines[_STATUS_LINE:]] == ["ready"]
