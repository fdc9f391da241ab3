"""Sessions that callers have of their own, of every kind that a storage can write in: what the tests of transactional
enqueue and completion go through. Another kind is one entry more in ``KINDS``."""

import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiosqlite
import asyncpg
import django
import psycopg
import psycopg.rows
import psycopg2
import psycopg2.extras
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from headrace import Headrace

MINE = "CREATE TABLE mine (text VARCHAR(100))"
"""A table of the caller's own, beside those of headrace."""
_WRITE = "INSERT INTO mine VALUES ('{}')"
_READ = "SELECT text FROM mine ORDER BY text"


class Caller(NamedTuple):
    """One session, in a transaction or about to begin one by itself, and what its owner does with it."""

    session: object
    execute: Callable[[str], Awaitable[list[Any]]]
    commit: Callable[[], Awaitable[None]]
    rollback: Callable[[], Awaitable[None]]

    async def write(self, text: str) -> None:
        """A row of the caller's own."""
        await self.execute(_WRITE.format(text))

    async def rows(self) -> list[str]:
        """Those that are there."""
        return [row[0] for row in await self.execute(_READ)]


Open = Callable[[str], AbstractAsyncContextManager[Caller]]


class Kind(NamedTuple):
    """How to have one on the store behind a URL."""

    backend: str
    name: str
    is_async: bool
    open: Open

    def __str__(self) -> str:
        return f"{self.backend}-{self.name}"


def path_of(url: str) -> str:
    """The file of a SQLite store."""
    return url.removeprefix("sqlite:///")


def _of_sync(session: Any, execute: Callable[[str], Any], rows: Callable[[Any], list[Any]] = list) -> Caller:
    async def run(statement: str) -> list[Any]:
        found = execute(statement)
        return rows(found) if statement.startswith("SELECT") else []

    async def commit() -> None:
        session.commit()

    async def rollback() -> None:
        session.rollback()

    return Caller(session, run, commit, rollback)


def _of_async(session: Any, execute: Callable[[str], Awaitable[Any]]) -> Caller:
    async def run(statement: str) -> list[Any]:
        found = await execute(statement)
        if not statement.startswith("SELECT"):
            return []
        return list(found) if hasattr(found, "scalars") else list(await found.fetchall())

    return Caller(session, run, session.commit, session.rollback)


@asynccontextmanager
async def open_sqlite3(url: str) -> AsyncIterator[Caller]:
    connection = sqlite3.connect(path_of(url), timeout=1)
    try:
        yield _of_sync(connection, connection.execute)
    finally:
        connection.close()


@asynccontextmanager
async def open_sqlite3_with_factories(url: str) -> AsyncIterator[Caller]:
    """Rows are objects, text is bytes: nothing of that is ours to change, nor may it touch us."""
    connection = sqlite3.connect(path_of(url), timeout=1)
    connection.row_factory, connection.text_factory = sqlite3.Row, bytes
    try:
        yield _of_sync(connection, connection.execute, lambda found: [[row[0].decode()] for row in found])
        assert (connection.row_factory, connection.text_factory) == (sqlite3.Row, bytes)
    finally:
        connection.close()


@asynccontextmanager
async def open_sqlite3_begun_by_hand(url: str) -> AsyncIterator[Caller]:
    connection = sqlite3.connect(path_of(url), timeout=1, isolation_level=None)

    def execute(statement: str) -> Any:
        if not connection.in_transaction:
            connection.execute("BEGIN")
        return connection.execute(statement)

    try:
        connection.execute("BEGIN")
        yield _of_sync(connection, execute)
    finally:
        connection.close()


@asynccontextmanager
async def open_aiosqlite(url: str) -> AsyncIterator[Caller]:
    async with aiosqlite.connect(path_of(url), timeout=1) as connection:
        yield _of_async(connection, connection.execute)


@asynccontextmanager
async def open_psycopg(url: str) -> AsyncIterator[Caller]:
    """Its rows are dicts: nothing of that is ours to change, nor may it touch us."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        yield _of_sync(connection, connection.execute, lambda found: [[row["text"]] for row in found])
        connection.rollback()


@asynccontextmanager
async def open_psycopg2(url: str) -> AsyncIterator[Caller]:
    connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.DictCursor)

    def execute(statement: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if statement.startswith("SELECT") else []

    try:
        yield _of_sync(connection, execute)
    finally:
        connection.close()


@asynccontextmanager
async def open_psycopg_async(url: str) -> AsyncIterator[Caller]:
    connection = await psycopg.AsyncConnection.connect(url)
    try:
        yield _of_async(connection, connection.execute)
    finally:
        await connection.close()


@asynccontextmanager
async def open_asyncpg(url: str) -> AsyncIterator[Caller]:
    """It begins nothing by itself: its caller has, and begins anew after each end."""
    connection = await asyncpg.connect(url)
    await connection.execute("BEGIN")

    async def run(statement: str) -> list[Any]:
        return list(await connection.fetch(statement))

    async def end(word: str) -> None:
        await connection.execute(word)
        await connection.execute("BEGIN")

    try:
        yield Caller(connection, run, lambda: end("COMMIT"), lambda: end("ROLLBACK"))
    finally:
        await connection.close()


def sqlalchemy_url(url: str, driver: str) -> str:
    """The same store for SQLAlchemy."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}+{driver}://{rest}"


@contextmanager
def engine_of(url: str, driver: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(sqlalchemy_url(url, driver))
    try:
        yield engine
    finally:
        engine.dispose()


@asynccontextmanager
async def async_engine_of(url: str, driver: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(url, driver))
    try:
        yield engine
    finally:
        await engine.dispose()


def with_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        with engine_of(url, driver) as engine, Session(engine) as session:
            yield _of_sync(session, lambda text: session.execute(sqlalchemy.text(text)))

    return open_one


def with_scoped_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        with engine_of(url, driver) as engine:
            session = scoped_session(sessionmaker(engine))
            try:
                yield _of_sync(session, lambda text: session.execute(sqlalchemy.text(text)))
            finally:
                session.remove()

    return open_one


def with_connection(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        with engine_of(url, driver) as engine, engine.connect() as connection:
            yield _of_sync(connection, lambda text: connection.execute(sqlalchemy.text(text)))

    return open_one


def with_async_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        async with async_engine_of(url, driver) as engine, AsyncSession(engine) as session:
            yield _of_async(session, lambda text: session.execute(sqlalchemy.text(text)))

    return open_one


def with_async_scoped_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        async with async_engine_of(url, driver) as engine:
            session = async_scoped_session(lambda: AsyncSession(engine), scopefunc=lambda: 1)
            try:
                yield _of_async(session, lambda text: session.execute(sqlalchemy.text(text)))
            finally:
                await session.remove()

    return open_one


def with_async_connection(driver: str) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        async with async_engine_of(url, driver) as engine, engine.connect() as connection:
            yield _of_async(connection, lambda text: connection.execute(sqlalchemy.text(text)))

    return open_one


def with_django(options: Callable[[str], dict[str, object]]) -> Open:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        connection = django_connection(options(url))
        connection.set_autocommit(False)

        def execute(statement: str) -> Any:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if statement.startswith("SELECT") else []

        try:
            yield _of_sync(connection, execute)
        finally:
            connection.close()

    return open_one


def django_connection(options: dict[str, object]) -> Any:
    """One that belongs to no alias of Django's own."""
    from django.conf import settings
    from django.db.utils import ConnectionHandler

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # these tests call sync sessions where a loop is running
    if not settings.configured:
        settings.configure(DATABASES={})
        django.setup()
    handler = ConnectionHandler({"default": options})
    return handler.create_connection("default")


def django_sqlite(url: str) -> dict[str, object]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path_of(url)}


def django_postgres(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


KINDS = [
    Kind("sqlite", "sqlite3", False, open_sqlite3),
    Kind("sqlite", "sqlite3-factories", False, open_sqlite3_with_factories),
    Kind("sqlite", "sqlite3-by-hand", False, open_sqlite3_begun_by_hand),
    Kind("sqlite", "aiosqlite", True, open_aiosqlite),
    Kind("sqlite", "sqlalchemy-session", False, with_session("pysqlite")),
    Kind("sqlite", "sqlalchemy-scoped-session", False, with_scoped_session("pysqlite")),
    Kind("sqlite", "sqlalchemy-connection", False, with_connection("pysqlite")),
    Kind("sqlite", "sqlalchemy-async-session", True, with_async_session("aiosqlite")),
    Kind("sqlite", "sqlalchemy-async-scoped-session", True, with_async_scoped_session("aiosqlite")),
    Kind("sqlite", "sqlalchemy-async-connection", True, with_async_connection("aiosqlite")),
    Kind("sqlite", "django", False, with_django(django_sqlite)),
    Kind("postgres", "psycopg", False, open_psycopg),
    Kind("postgres", "psycopg2", False, open_psycopg2),
    Kind("postgres", "psycopg-async", True, open_psycopg_async),
    Kind("postgres", "asyncpg", True, open_asyncpg),
    Kind("postgres", "sqlalchemy-session", False, with_session("psycopg")),
    Kind("postgres", "sqlalchemy-connection", False, with_connection("psycopg2")),
    Kind("postgres", "sqlalchemy-async-session", True, with_async_session("asyncpg")),
    Kind("postgres", "sqlalchemy-async-connection", True, with_async_connection("psycopg")),
    Kind("postgres", "django", False, with_django(django_postgres)),
]


async def prepare(app: Headrace, kind: Kind) -> None:
    """The store, and the caller's own table in it."""
    await app.here()
    async with kind.open(app.config.url) as caller:
        await caller.execute(MINE)
        await caller.commit()
