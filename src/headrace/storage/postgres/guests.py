"""Drivers' own connections, each asked in its own way: recognised and never imported, since whoever has one has
imported it."""

import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from headrace.model.errors import InvalidOption
from headrace.storage.postgres.statement import Rows

_NUMBERED = re.compile(r"\$(\d+)")
_IDLE = 0
"""What libpq calls a connection that is in no transaction."""
_NO_TRANSACTION = (
    "it is in no transaction and commits each statement by itself, so nothing could be rolled back; begin one first"
)


class Guest(Protocol):
    """A sync connection of the caller's."""

    connection: Any

    def check(self, session: object) -> None:
        """It is in a transaction, or begins one by itself; or InvalidOption."""
        ...

    def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        """Runs one statement."""
        ...


class AsyncGuest(Protocol):
    """An async one."""

    connection: Any

    def check(self, session: object) -> None:
        """As ``Guest.check``."""
        ...

    async def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        """Runs one statement."""
        ...


def sync_guest(connection: object) -> Guest | None:
    """None where it is no such connection."""
    if _is(connection, "psycopg", "Connection"):
        return _Psycopg(connection)
    if _is(connection, "psycopg2.extensions", "connection"):
        return _Psycopg2(connection)
    return None


def async_guest(connection: object) -> AsyncGuest | None:
    """None where it is no such connection."""
    if _is(connection, "psycopg", "AsyncConnection"):
        return _AsyncPsycopg(connection)
    if _is(connection, "asyncpg", "Connection") or _is(connection, "asyncpg.pool", "PoolConnectionProxy"):
        return _Asyncpg(connection)
    return None


class _Libpq:
    """What psycopg, its async twin and psycopg2 have in common."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def check(self, session: object) -> None:
        if self.connection.autocommit and int(self.connection.info.transaction_status) == _IDLE:
            raise InvalidOption("session", session, _NO_TRANSACTION)


class _Psycopg(_Libpq):
    def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        from psycopg.rows import tuple_row

        with self.connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(named(text), by_name(parameters), prepare=False)
            return cursor.fetchall() if cursor.description else ()


class _AsyncPsycopg(_Libpq):
    async def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        from psycopg.rows import tuple_row

        async with self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(named(text), by_name(parameters), prepare=False)
            return await cursor.fetchall() if cursor.description else ()


class _Psycopg2(_Libpq):
    def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        from psycopg2.extensions import cursor as plain

        with self.connection.cursor(cursor_factory=plain) as cursor:
            cursor.execute(named(text), by_name(parameters))
            return cursor.fetchall() if cursor.description else ()


class _Asyncpg:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def check(self, session: object) -> None:
        if not self.connection.is_in_transaction():
            raise InvalidOption("session", session, _NO_TRANSACTION)

    async def fetch(self, text: str, parameters: tuple[object, ...]) -> Rows:
        rows: Rows = await self.connection.fetch(text, *parameters)
        return rows


@lru_cache(maxsize=256)
def named(text: str) -> str:
    """With ``%(p1)s`` in place of ``$1``."""
    return _NUMBERED.sub(r"%(p\1)s", text.replace("%", "%%"))


def by_name(parameters: tuple[object, ...]) -> Mapping[str, object]:
    """To go with ``named``."""
    return {f"p{place}": value for place, value in enumerate(parameters, 1)}


def _is(connection: object, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(connection, getattr(loaded, name, ()))
