"""A Postgres that somebody runs: the URLs of its databases, and SQL that is run there by psql."""

import shutil
import uuid
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from headrace.testing.servers.daemon import ServerFailed, run_tool

_INSTALLED = Path("/usr/lib/postgresql")


def find_binaries() -> Path | None:
    """The folder with ``postgres`` and its tools: of the newest that the distribution has installed, or on the PATH."""
    installed = [path.parent for path in _INSTALLED.glob("[0-9]*/bin/initdb") if (path.parent / "postgres").exists()]
    if installed:
        return max(installed, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("postgres") else None


class Postgres:
    """A Postgres at a URL, which names its superuser."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, database: str | None = None, user: str | None = None, password: str | None = None) -> str:
        """Where a client finds a database of it: the one of the server's own URL without a name."""
        parts = urlsplit(self._url)
        who = parts.netloc.rpartition("@")[0] if user is None else quote(user, safe="")
        if password is not None:
            who = f"{who.partition(':')[0]}:{quote(password, safe='')}"
        where = parts.netloc.rpartition("@")[2]
        path = parts.path if database is None else f"/{quote(database, safe='')}"
        return urlunsplit(parts._replace(netloc=f"{who}@{where}" if who else where, path=path))

    def run_sql(self, sql: str, database: str | None = None) -> str:
        """The rows that it answers: one a line, with ``|`` between columns. Statements commit one by one."""
        psql = shutil.which("psql", path=find_binaries()) or shutil.which("psql")
        if psql is None:
            raise ServerFailed("psql is missing: apt-get install postgresql-client")
        options = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        return run_tool([psql, *options, f"--dbname={self.url(database)}"], sql).rstrip("\n")

    def create_database(self, name: str | None = None) -> str:
        """The URL of a new and empty database, under a name that nobody else has where none is given."""
        name = name or f"headrace_{uuid.uuid4().hex[:12]}"
        self.run_sql(f"CREATE DATABASE {_quoted(name)}")
        return self.url(name)

    def drop_database(self, name_or_url: str) -> None:
        """Removes a database, whoever is connected to it; nothing where there is none."""
        name = unquote(urlsplit(name_or_url).path[1:]) if "://" in name_or_url else name_or_url
        self.run_sql(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def kill_backends(self, database: str | None = None) -> int:
        """Ends the connections of all clients, or those to one database: how many there were."""
        which = "true" if database is None else f"datname = '{database.replace(chr(39), chr(39) * 2)}'"
        ended = self.run_sql(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
            f" WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {which}"
        )
        return int(ended)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
