"""What a run needs to know of Postgres: a server of its own, a fresh database for each storm, and what befalls both."""

import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.testing.chaos.detour import Detour
from headrace.testing.chaos.postgres_checks import find_damage
from headrace.testing.chaos.scenarios import Fault
from headrace.testing.servers.daemon import ServerFailed, run_tool
from headrace.testing.servers.postgres import Mode, PostgresServer

if TYPE_CHECKING:
    from headrace.testing.chaos.storm import Storm

_MODES: Sequence[Mode] = ("immediate", "immediate", "immediate", "fast")
"""How a server ends: three times out of four it crashes, and recovers."""
_DOWN: Sequence[tuple[float, float]] = (*[(0.0, 0.0)] * 5, *[(0.0, 1.0)] * 4, (3.5, 6.0))
"""Between how many seconds it is down beyond what its start takes. The longest is longer than a lease, and than a call
waits for a server."""
_SOME = 0.3
"""The share of connections that the server ends, where it does not end them all."""
_FARTHEST = 2_000
"""Bytes of answers that arrive at most before the rest is lost. An answer to an enqueue has some hundred."""
_TERMINATE = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < {share}
"""


class PostgresBackend:
    """Syncs what it commits, as a server does that one relies on. Asks for no password."""

    def __init__(self) -> None:
        self._server: PostgresServer | None = None
        self._detour: Detour | None = None
        self._database = ""
        self._version = ""

    def make(self, folder: Path) -> str:  # noqa: ARG002 - the server has a folder of its own
        server = self._started()
        if self._database:
            server.drop_database(self._database)
        url = server.create_database()
        self._database = _name(url)
        return url

    def detour(self, url: str) -> str:
        """Through a proxy."""
        assert self._detour is not None
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.username}@127.0.0.1:{self._detour.port}").geturl()

    def writer(self, url: str) -> int | None:  # noqa: ARG002 - nobody: who writes holds up only those who want the same rows
        return None

    def faults(self) -> Sequence[Fault]:
        """Some 200 restarts beside 2,000 kills."""
        return (
            Fault("restarts", 26.0, self._restart),
            Fault("terminations", 13.0, self._terminate),
            Fault("cuts", 26.0, self._cut),
        )

    def heal(self) -> None:
        server = self._started()
        if server.pid is None:
            server.resume()
        assert self._detour is not None
        self._detour.heal()

    def integrity(self, url: str) -> str:
        self.heal()
        return find_damage(self._started(), _name(url))

    def keep(self, url: str, folder: Path) -> None:
        """A dump of the database, and the server's log."""
        server = self._started()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(server.folder / "log", folder / "server.log")
        binaries = PostgresServer.find()
        assert binaries is not None
        (folder / "jobs.sql").write_text(run_tool([binaries / "pg_dump", f"--dbname={url}"]))

    def close(self) -> None:
        if self._detour is not None:
            self._detour.close()
        if self._server is not None:
            self._server.close()
        self._server = self._detour = None
        self._database = ""

    def versions(self) -> Mapping[str, str]:
        return {"postgres": self._version, "asyncpg": version("asyncpg")}

    def _started(self) -> PostgresServer:
        if self._server is None:
            self._server = PostgresServer.start(durable=True)
            self._detour = Detour(self._server.port)
            self._version = self._server.run_sql("SHOW server_version").split()[0]
        return self._server

    # --- faults ------------------------------------------------------------------------------------------------------

    def _restart(self, storm: "Storm") -> bool:
        """Down for a while, in which half of the time somebody is killed, and those who start find nobody there."""
        server, dice = self._started(), storm.dice
        server.stop(dice.pick(_MODES))
        try:
            if dice.chance(0.5):
                storm.kill_one(dice.pick(("worker", "worker", "producer", "claimer")))
                storm.man()
            time.sleep(dice.between(*dice.pick(_DOWN)))
        finally:
            server.resume()
        return True

    def _terminate(self, storm: "Storm") -> bool:
        share = 1 if storm.dice.chance(0.4) else _SOME
        try:
            return int(self._started().run_sql(_TERMINATE.format(share=share))) > 0
        except ServerFailed:  # all its places are taken
            return False

    def _cut(self, storm: "Storm") -> bool:
        """Connections of those that take the detour: now, or while an answer is on its way to them."""
        assert self._detour is not None
        if storm.dice.chance(0.3):
            return self._detour.cut()
        return self._detour.lose_answers(storm.dice.whole(0, _FARTHEST))


def _name(url: str) -> str:
    return urlsplit(url).path[1:]
