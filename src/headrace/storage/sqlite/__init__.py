"""Jobs in one SQLite file: durable, and shared by the processes of one machine."""

from headrace.storage.sqlite.connecting import sqlite_warnings
from headrace.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage", "sqlite_warnings"]
