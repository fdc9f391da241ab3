"""Jobs in one SQLite file: durable, and shared by the processes of one machine."""

from headrace.storage.sqlite.storage import SqliteStorage, sqlite_warnings

__all__ = ["SqliteStorage", "sqlite_warnings"]
