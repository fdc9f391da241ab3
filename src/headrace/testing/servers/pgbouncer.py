"""A PgBouncer of one's own in front of a Postgres: it gives a client a connection for a transaction, and no longer."""

import shutil
import signal
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from headrace.testing.servers.daemon import Daemon, ServerFailed
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.owned import OwnedPostgres

_READY_WITHIN = 20.0
_DEFAULT_PORT = 5432
_INI = """
[databases]
* = host={host} port={postgres_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = {user}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
# after a restart of Postgres, it is not asked for again for so many seconds: by default 15
server_login_retry = 1
"""


class PgBouncer(OwnedPostgres):
    """A pool of connections per database, in transaction mode: to its clients it looks like the Postgres behind it.

    ``with PgBouncer.start(server) as pool``. What belongs to a session is lost between transactions: LISTEN, SET,
    session locks and, before its version 1.21, prepared statements. It ends when its owner does, even by SIGKILL.
    """

    def __init__(self, binary: str, behind: Postgres, folder: Path | None, pool_size: int) -> None:
        super().__init__(Daemon(folder, "pgbouncer", signal.SIGKILL))
        self._binary = binary
        self._behind = urlsplit(behind.url())
        self._pool_size = pool_size
        self._ini = self.folder / "pgbouncer.ini"

    @staticmethod
    def find() -> Path | None:
        """The program; None where it is not installed."""
        found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
        return Path(found) if found else None

    @classmethod
    def start(cls, behind: Postgres, folder: Path | None = None, *, pool_size: int = 20) -> Self:
        """A new one that accepts connections. Its folder is removed with it: a new one, or ``folder``, which must be
        empty and, where we are root, open to the user who runs it. ``pool_size`` is for each database and user."""
        binary = cls.find()
        if binary is None:
            raise ServerFailed("PgBouncer is not installed: apt-get install pgbouncer")
        pool = cls(str(binary), behind, folder, pool_size)
        try:
            pool._open(pool._behind.username or "postgres", pool._behind.path[1:])
        except BaseException:
            pool.close()
            raise
        return pool

    def stop(self) -> None:
        """Ends it at once: its clients are cut off, and there is nothing that it has to keep."""
        self._daemon.kill()

    def resume(self) -> None:
        """Starts it again where it was stopped, at the same port."""
        self._configure()
        # it says so when it listens
        self._daemon.start([self._binary, self._ini], lambda: "process up" in self.log, _READY_WITHIN)

    def restart(self) -> None:
        """Stops and resumes."""
        self.stop()
        self.resume()

    def _configure(self) -> None:
        behind = self._behind
        user, password = unquote(behind.username or "postgres"), unquote(behind.password or "")
        users = self.folder / "users"
        users.write_text(" ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in (user, password)) + "\n")
        text = _INI.format(
            host=behind.hostname or "127.0.0.1",
            postgres_port=behind.port or _DEFAULT_PORT,
            port=self.port,
            users=users,
            user=user,
            pool_size=self._pool_size,
        )
        self._ini.write_text(text)
