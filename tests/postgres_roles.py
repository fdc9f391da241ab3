"""Users with the rights of the shipped roles, and no others."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urlsplit

from headrace.testing.servers.databases import Postgres

ROLES = ("admin", "worker", "producer", "reader")
_PASSWORD = "geheim"


def apply_roles(server: Postgres, url: str, schema: str = "headrace", *, options: str = "") -> None:
    """Runs the shipped file in that database, with roles of its own."""
    database = urlsplit(url).path[1:]
    named = "".join(f"\\set {role} {role}_{database}\n" for role in ROLES)
    text = (files("headrace.storage.postgres") / "roles.sql").read_text("utf-8")
    server.run_sql(f"{options}\\set schema {schema}\n{named}{text}", database)


@contextmanager
def roles(
    server: Postgres, url: str, schema: str = "headrace", *, owner: Postgres | None = None
) -> Iterator[Mapping[str, str]]:
    """The URL of a user of each role, for a store that is there. ``owner``: as who runs the file."""
    database = urlsplit(url).path[1:]
    apply_roles(owner or server, url, schema)
    names = {role: f"{role}_{database}" for role in ROLES}
    for name in names.values():
        server.run_sql(f"CREATE ROLE u_{name} LOGIN PASSWORD '{_PASSWORD}' IN ROLE {name}")
    try:
        yield {role: server.url(database, f"u_{name}", _PASSWORD) for role, name in names.items()}
    finally:
        for name in names.values():
            server.run_sql(
                f"REASSIGN OWNED BY {name}, u_{name} TO CURRENT_USER; DROP OWNED BY {name}, u_{name}; "
                f"DROP ROLE u_{name}, {name}",
                database,
            )
