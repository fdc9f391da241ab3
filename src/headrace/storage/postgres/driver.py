"""What is used of the driver, asyncpg, which has no types of its own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, Self

import asyncpg

Heard = Callable[[object, int, str, object], None]
"""Told of a notice: the connection, the sender's process, the channel, the text."""


class Transaction(Protocol):
    """A transaction, or a savepoint in one."""

    async def start(self) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...


class Connection(Protocol):
    """One connection; used by one call at a time."""

    async def fetch(self, statement: str, *parameters: object) -> Sequence[Sequence[Any]]: ...

    async def fetchval(self, statement: str, *parameters: object) -> Any: ...

    async def execute(self, statement: str, *parameters: object) -> str: ...

    def transaction(self) -> Transaction: ...

    def is_in_transaction(self) -> bool: ...

    async def add_listener(self, channel: str, heard: Heard) -> None: ...

    def add_termination_listener(self, ended: Callable[[object], None]) -> None: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float) -> None: ...

    def terminate(self) -> None: ...


async def connect(dsn: str, *, timeout: float, settings: Mapping[str, str], statements: int) -> Connection:
    """A new one, with these settings of the server; ``statements`` are kept prepared."""
    connection: Connection = await asyncpg.connect(
        dsn,
        timeout=timeout,
        server_settings=dict(settings),
        statement_cache_size=statements,
        max_cached_statement_lifetime=0,
    )
    return connection


def abandon(connection: Connection) -> None:
    """Closes the socket of one whose loop is closed. The loop's own way to do so is no more, and asyncpg has none."""
    transport = getattr(connection, "_transport", None)
    with suppress(RuntimeError):  # that its loop is closed
        connection.terminate()
    socket = getattr(transport, "_sock", None)
    if transport is not None and socket is not None:
        socket.close()
        transport._sock = None  # noqa: SLF001 - else it would complain that nobody closed it
