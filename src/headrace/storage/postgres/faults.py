"""What the driver's errors mean to users. No text here names more of a URL than what is fit to be read: the server and
the driver name users, databases and hosts, never a password."""

import asyncio
import socket

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
from headrace.storage.postgres.barring import refused
from headrace.storage.postgres.schema import LATEST

_REDO = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""The third: another was there first, and is seen at the next try. The last two: a migration ran meanwhile, and what
was prepared before it is of no use."""
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
_CROWDED = "53300"
_OVERSTRAINED = ("53", "57", "58", "55")
"""Classes: resources, operators, the server's system, and objects that are not in the state they should be in."""
_LASTING = ("28", "3D", "0A", "22")
"""Classes of what a new try won't mend: who we are, which database, what we asked of the connection."""
_NAMELESS = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_POOLED = ("26000", "42P05")
"""A statement that was prepared is not there, or one that was not is."""
_POOLER = "a pooler stands between that gives each transaction another connection: add ?pooler=transaction to the URL"
_HINTS = {
    "28P01": "check the user and the password of the URL",
    "28000": "check the user of the URL, and what the server's pg_hba.conf lets in",
    "3D000": "check the database that the URL names, or create it: createdb",
    _CROWDED: "it has no connection to spare (53300): raise its max_connections, lower ?pool=, or put a pooler between "
    "and add ?pooler=transaction",
}


def wants_redo(error: BaseException) -> bool:
    """Whether the server chose this transaction to give way: nothing of it was done, and done anew it may be."""
    return isinstance(error, _REDO)


def ends_connection(error: BaseException) -> bool:
    """Whether the connection is of no use any more, and its last answer may be lost."""
    if isinstance(error, asyncpg.PostgresError):
        severity = getattr(error, "severity_en", None) or getattr(error, "severity", None)
        return severity in _ENDING or isinstance(error, asyncpg.PostgresConnectionError)
    return isinstance(error, _BROKEN) and not isinstance(error, (ValueError, *_REDO))  # ValueError: of an argument


def is_crowded(error: BaseException | None) -> bool:
    """Whether the server has as many connections as it wants to have."""
    return _state(error) == _CROWDED


def is_lasting(error: BaseException | None) -> bool:
    """Whether trying to connect again is of no use: for a wrong password, an unknown database or host."""
    if isinstance(error, socket.gaierror):
        return error.errno in _NAMELESS
    if isinstance(error, asyncpg.PostgresError):
        return _state(error)[:2] in _LASTING or _wants_pooler(error)
    return isinstance(error, ValueError | asyncpg.TargetServerAttributeNotMatched)


def unreachable(error: Exception, where: str) -> StoreUnreachable:
    """Why there is no connection, and what to do about it."""
    hint = _HINTS.get(_state(error))
    if isinstance(error, socket.gaierror):
        hint = "check the host that the URL names"
    elif isinstance(error, ConnectionRefusedError):
        hint = "no server listens there: check host and port of the URL, and whether the server runs"
    elif _wants_pooler(error):
        hint = _POOLER
    return StoreUnreachable(where, describe(error) if hint is None else f"{describe(error)}; {hint}")


def translated(error: BaseException, where: str, patience: float, *, lost: bool) -> StoreError | None:
    """The error that users meet; None where it tells of no trouble with the store, but of something that was asked and
    can't be done, however often. ``lost``: what was asked may have been done."""
    if ends_connection(error):
        why = describe(error)
        return AnswerLost(where, why) if lost else StoreUnreachable(where, why)
    moved = refused(error, where)
    if moved is not None:
        return moved
    match error:
        case asyncpg.LockNotAvailableError():
            return StoreBusy(where, patience)
        case asyncpg.QueryCanceledError():
            return StoreBusy(where, patience, describe(error))
        case asyncpg.DiskFullError():
            return StoreFull(where)
        case asyncpg.InsufficientPrivilegeError():
            return NotPermitted(where, describe(error))
    state = _state(error)
    if state == _READ_ONLY:
        return StoreReadOnly(where, describe(error))
    if state in _MISSING:
        return SchemaTooOld(where, 0, LATEST)
    if _wants_pooler(error):
        return StoreUnreachable(where, f"{describe(error)}; {_POOLER}")
    return StoreUnreachable(where, describe(error)) if state[:2] in _OVERSTRAINED or wants_redo(error) else None


def describe(error: BaseException) -> str:
    """In a line; the driver tells no password."""
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    if isinstance(error, socket.gaierror):
        return f"its host is not known ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__


def _state(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _wants_pooler(error: BaseException) -> bool:
    return _state(error) in _POOLED or "unsupported startup parameter" in str(error)
