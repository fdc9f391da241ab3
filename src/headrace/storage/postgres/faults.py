"""What the driver's errors mean to users."""

import asyncio

import asyncpg

from headrace.model.errors import (
    AnswerLost,
    NotPermitted,
    SchemaTooOld,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)
from headrace.storage.postgres.schema import LATEST

_REDO = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
    asyncio.IncompleteReadError,
)
_ENDING = ("FATAL", "PANIC")
_READ_ONLY = "25006"
_MISSING = ("42P01", "42883", "3F000")
"""No such table, function or schema."""


def wants_redo(error: BaseException) -> bool:
    """Whether the server chose this transaction to give way to another: nothing of it was done."""
    return isinstance(error, _REDO)


def ends_connection(error: BaseException) -> bool:
    """Whether the connection is of no use any more, and its last answer may be lost."""
    if isinstance(error, asyncpg.PostgresError):
        severity = getattr(error, "severity_en", None) or getattr(error, "severity", None)
        return severity in _ENDING or isinstance(error, asyncpg.PostgresConnectionError)
    return isinstance(error, _BROKEN)


def translated(error: BaseException, where: str, patience: float, *, lost: bool) -> StoreError:
    """The error that users meet. ``lost``: what was asked may have been done."""
    if ends_connection(error):
        why = describe(error)
        return AnswerLost(where, why) if lost else StoreUnreachable(where, why)
    match error:
        case asyncpg.LockNotAvailableError() | asyncpg.QueryCanceledError():
            return StoreBusy(where, patience)
        case asyncpg.DiskFullError():
            return StoreFull(where)
        case asyncpg.InsufficientPrivilegeError():
            return NotPermitted(where, describe(error))
    state = getattr(error, "sqlstate", None)
    if state == _READ_ONLY:
        return StoreReadOnly(where, describe(error))
    if state in _MISSING:
        return SchemaTooOld(where, 0, LATEST)
    return StoreUnreachable(where, describe(error))


def describe(error: BaseException) -> str:
    """In a line; the driver tells no password."""
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__
