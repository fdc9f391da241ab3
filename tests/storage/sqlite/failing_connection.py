"""A writing connection on which one statement fails."""

import sqlite3
from collections.abc import Callable
from typing import Any

from headrace.storage.sqlite.connecting import connect_writer


def error(code: int, text: str) -> sqlite3.Error:
    """What SQLite raises with this code."""
    raised = sqlite3.OperationalError(text)
    raised.sqlite_errorcode = code
    return raised


class Statements:
    """Counts what a writer executes, and fails one of it."""

    def __init__(self) -> None:
        self.count = 0
        self._number, self._make, self._rolls_back = 0, None, False
        self.met = False

    def arm(self, number: int, make: Callable[[], BaseException] | None, *, rolls_back: bool) -> None:
        """The statement of this number, from now on, fails. ``rolls_back``: SQLite ends the transaction by itself."""
        self.count, self.met = 0, False
        self._number, self._make, self._rolls_back = number, make, rolls_back

    def meet(self, connection: sqlite3.Connection) -> None:
        self.count += 1
        if self.count == self._number and self._make is not None:
            self.met = True
            if self._rolls_back and connection.in_transaction:
                connection.execute("ROLLBACK")
            raise self._make()

    def connect(self, path: str, *, durable: bool) -> Any:
        return FailingConnection(connect_writer(path, durable=durable), self)


class FailingConnection:
    def __init__(self, inner: sqlite3.Connection, statements: Statements) -> None:
        self._inner, self._statements = inner, statements

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql != "ROLLBACK":
            self._statements.meet(self._inner)
        return self._inner.execute(sql, parameters)

    def close(self) -> None:
        self._inner.close()
