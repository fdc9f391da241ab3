"""What a path is, before anything is written there. Never opens the file itself: closing it would drop POSIX locks."""

import errno
import os
import sqlite3
import stat
from pathlib import Path

from headrace.model.errors import (
    CorruptStore,
    ForeignStore,
    SchemaTooNew,
    SchemaTooOld,
    StoreUnreachable,
    UnsafeFilesystem,
)
from headrace.storage.sqlite.connecting import APPLICATION_ID
from headrace.storage.sqlite.migrating import LATEST
from headrace.storage.sqlite.transaction import Executes

OWN_TABLES = frozenset({"timeline", "jobs", "counts", "keys", "workers", "records"})
_TOLERATED = ("sqlite_", "_litestream_")
_UNSAFE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs"})
_MOUNTS = Path("/proc/self/mountinfo")


def resolve_path(path: str) -> str:
    """The real path, whose folder is there. Two names of one file are one store."""
    try:
        real = os.path.realpath(path)
        if os.path.islink(real):
            raise CorruptStore(path, "it is a loop of symbolic links")
        folder = os.path.dirname(real)
        if not os.path.isdir(folder):
            raise StoreUnreachable(path, f"its folder {folder} is not there; create it first")
    except OSError as error:
        raise StoreUnreachable(path, error.strerror or str(error)) from None
    return real


def is_there(path: str) -> bool:
    """Whether there is a file that may be a store; refuses what can't be one."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CorruptStore(path, "it is a loop of symbolic links") from None
        raise StoreUnreachable(path, error.strerror or str(error)) from None
    if stat.S_ISDIR(found.st_mode):
        raise CorruptStore(path, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise CorruptStore(path, "it is no regular file")
    if found.st_size == 0:
        raise CorruptStore(path, "it is empty, and new stores appear whole; if nothing is missed, delete it first")
    if not os.access(path, os.R_OK):
        raise StoreUnreachable(path, "permission to read it is denied")
    return True


def check_filesystem(path: str) -> None:
    """Refuses filesystems over a network or in user space: their locks can't be trusted."""
    kind = _filesystem(os.path.dirname(path))
    if kind in _UNSAFE or kind.startswith("fuse"):
        raise UnsafeFilesystem(path, kind)


def _filesystem(folder: str) -> str:
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].encode().decode("unicode_escape") if "\\" in fields[4] else fields[4]
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        # The last mount on a point hides the ones before it.
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def check_contents(connection: Executes, path: str, *, adopts: bool = False) -> int:
    """The schema's number, 0 in a database that is to become a store; refuses what isn't ours, and what is too new.
    ``adopts``: another program's database becomes one too, where nothing of it stands in our way."""
    application, version = _numbers(connection)
    names = {
        str(name)
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        if not str(name).startswith(_TOLERATED)
    }
    if application != APPLICATION_ID:
        if application != 0:
            raise ForeignStore(path, f"its application id is {application:#010x}")
        if names and not adopts:
            raise ForeignStore(path, f"it holds tables such as {min(names)}")
        if names & OWN_TABLES:
            raise ForeignStore(path, f"it has a table of its own called {min(names & OWN_TABLES)}")
        if names and version:
            raise ForeignStore(path, f"its user_version is {version}, where headrace keeps the number of its schema")
        return 0
    if version > LATEST:
        raise SchemaTooNew(path, version, LATEST)
    if version == LATEST and OWN_TABLES - names:
        raise CorruptStore(path, f"its table {min(OWN_TABLES - names)} is missing")
    return version


def check_version(connection: Executes, path: str) -> None:
    """Whether this version can write there, at the price of two numbers in the file's header."""
    application, version = _numbers(connection)
    if application not in (0, APPLICATION_ID):
        raise ForeignStore(path, f"its application id is {application:#010x}")
    if application == 0 or version < LATEST:
        raise SchemaTooOld(path, version if application else 0, LATEST)
    if version > LATEST:
        raise SchemaTooNew(path, version, LATEST)


def _numbers(connection: Executes) -> tuple[int, int]:
    """The application's id, and the number of the schema."""
    names = ("application_id", "user_version")
    application, version = [int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names]
    return application, version


def describe_damage(path: str, error: sqlite3.Error) -> CorruptStore:
    """The damage in SQLite's own words. Reads the whole file: only for one that is known to be damaged."""
    line = str(error)
    try:
        connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)
        try:
            line = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        pass
    return CorruptStore(path, str(error) if line == "ok" else line.splitlines()[-1])
