"""Whose transaction it is: the driver's own connection under a session of SQLAlchemy or Django. These libraries are
recognised and never imported: whoever has a session of theirs has imported them."""

import sys
from typing import Any

LIBRARIES = (
    "a SQLAlchemy Session, Connection, AsyncSession or AsyncConnection on such a connection, or a Django connection"
)
"""What is understood here, for messages of backends that understand it with their own drivers."""


def is_async(session: object) -> bool:
    """Whether it is one of SQLAlchemy's async sessions and connections: its driver is reached on their loop only."""
    return _is(session, "sqlalchemy.ext.asyncio", "AsyncSession", "AsyncConnection", "async_scoped_session")


def driver_connection(session: object) -> object:
    """The driver's connection under a sync session, which is begun where it was not; other things are themselves."""
    found: Any = session
    if _is(found, "sqlalchemy.orm", "scoped_session"):
        found = found()
    if _is(found, "sqlalchemy.orm", "Session"):
        found = found.connection()
    if _is(found, "sqlalchemy", "Connection"):
        if not found.in_transaction():
            found.begin()  # as its first statement would: else its commit wouldn't reach the driver
        if found.dialect.driver == "asyncpg":
            found.exec_driver_sql("SELECT 1")  # its adapter begins the driver's transaction at its own first statement
        return found.connection.driver_connection
    if _is_django(found):
        found.ensure_connection()
        return found.connection
    return found


async def adriver_connection(session: object) -> object:
    """The same under an async one of SQLAlchemy's; on its loop."""
    found: Any = session
    if _is(found, "sqlalchemy.ext.asyncio", "async_scoped_session"):
        found = found()
    return await found.run_sync(driver_connection)


def _is_django(session: object) -> bool:
    """A database connection, or the proxy that ``django.db.connection`` is; caches have such proxies too."""
    if _is(session, "django.utils.connection", "ConnectionProxy"):
        return _is(vars(session).get("_connections"), "django.db.utils", "ConnectionHandler")
    return _is(session, "django.db.backends.base.base", "BaseDatabaseWrapper")


def _is(session: object, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and any(isinstance(session, getattr(loaded, name, ())) for name in names)
