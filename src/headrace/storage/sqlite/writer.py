"""The one thread that writes: everything that waits becomes one transaction."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from headrace.model.errors import AnswerLost, StoreBusy, StoreError, StoreReadOnly, StoreUnreachable
from headrace.model.state import State
from headrace.storage.sqlite.checkpoint import Checkpointer
from headrace.storage.sqlite.connecting import connect_writer, set_durable
from headrace.storage.sqlite.faults import breaks_connection, is_busy, leaves_a_trace, translated
from headrace.storage.sqlite.lane import Batch, Lane
from headrace.storage.sqlite.operation import AnyOperation, Hears, deliver
from headrace.storage.sqlite.transaction import Transaction, write_counts
from headrace.storage.sqlite.turn import Backoff, Turn
from headrace.storage.sqlite.wake import Post
from headrace.storage.sqlite.wal import ABSENT, WalWatch, inode, leave_open
from headrace.system.clock import SystemClock

MOST_ROWS = 5_000
"""Where a batch is cut: what bounds a commit, and so everyone's wait."""
_LONGEST_TURN = 0.025
"""Seconds of commit after commit, after which other processes get their chance."""


class Writer:
    """Owns the writing connection. All but ``submit`` and ``stop`` runs in its thread."""

    def __init__(self, path: str, post: Post, hearers: Callable[[], Iterable[Hears]], folder: str | None) -> None:
        self._path, self._post, self._hearers = path, post, hearers
        self._turn, self._backoff = Turn(folder), Backoff()
        self._connection: sqlite3.Connection | None = None
        self._inode = ABSENT
        self._wal = WalWatch(path)
        self._clock = SystemClock()
        self._turn_began = 0.0
        self.patience = 0.0
        self.durable = False
        self.read_only = False
        self._is_durable = False
        self._checkpointer = Checkpointer(path, self._turn, self._clock)
        self.lane = Lane("headrace-sqlite-writer", MOST_ROWS, self._serve, self._rest, self._end)
        self.submit, self.stop = self.lane.submit, self.lane.stop

    def let_go_of_turn(self) -> None:
        """In a forked child, which has no such thread."""
        self._turn.close()

    def disconnect(self) -> None:
        """In a forked child, before anything is opened anew."""
        if self._connection is not None:
            self._close(self._connection)

    def _rest(self) -> float | None:
        if self._wal.is_lost:  # a checkpoint would write what was refused over what is newer
            return None
        return self._checkpointer.rest(self._connection)

    def _end(self) -> None:
        if self._connection is not None:
            self._close(self._connection)
        self._turn.close()

    def _close(self, connection: sqlite3.Connection) -> None:
        if self._wal.is_lost:
            leave_open(connection)
        else:
            with suppress(sqlite3.Error):
                connection.close()
        self._connection = None
        self._wal.forget()

    def _serve(self, batch: Batch) -> None:
        done: list[Transaction] = []
        try:
            connection = self._connected()
            waiting: Batch = []
            for operation in batch:  # behind a write, what looks idle now may not be so when its turn comes
                if waiting or not self._is_idle(connection, operation):
                    waiting.append(operation)
            if waiting:
                done = self._commit(connection, waiting, batch)
        except BaseException as error:
            self._fail(batch, error)
        self._tell(batch, done)
        if done and self._connection is not None:
            self._checkpointer.after_commit(self._connection, sum(operation.rows for operation in batch))
        self._make_room()

    def _commit(self, connection: sqlite3.Connection, operations: Batch, batch: Batch) -> list[Transaction]:
        moved: Counter[tuple[str, State]] = Counter()
        self._begin(connection)
        if len(operations) == 1:
            done = [self._run_one(connection, operations[0], moved)]
        else:
            done = self._run_all(connection, operations, moved)
        # A claim that an insert has brought about comes while that runs: together they cost one sync, not two.
        late = self.lane.late()
        batch += late
        done += self._run_all(connection, late, moved)
        write_counts(connection, moved)
        self._seal(connection)
        self._turn.give()
        self._wal.check()
        return done

    def _seal(self, connection: sqlite3.Connection) -> None:
        """A commit whose sync failed stands in the -wal in full, though SQLite has taken it back: whoever recovers the
        file after a crash would find it there, and what was refused would come to be. So it is written over at once,
        through a new connection. AnswerLost where that fails too."""
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if leaves_a_trace(error):
                self._close(connection)
                if not self._write_over():
                    raise AnswerLost(self._path, str(error)) from error
            raise

    def _write_over(self) -> bool:
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")  # the same again, and yet a page is written
            connection.execute("COMMIT")
        except (sqlite3.Error, StoreError):
            return False
        return True

    def _is_idle(self, connection: sqlite3.Connection, operation: AnyOperation) -> bool:
        if operation.idle is None or not operation.idle(Transaction(connection, operation.moment())):
            return False
        operation.answer = operation.nothing
        return True

    def _connected(self) -> sqlite3.Connection:
        if self.read_only:
            raise StoreReadOnly(self._path, "it was opened for reading only")
        if self._connection is None:
            if not os.access(self._path, os.W_OK):
                raise StoreReadOnly(self._path, "permission to write it is denied, or its disk is read-only")
            self._connection = connect_writer(self._path, durable=self.durable)
            self._is_durable = self.durable
            self._inode = inode(self._path)
        elif self.durable != self._is_durable:
            set_durable(self._connection, self.durable)
            self._is_durable = self.durable
        if inode(self._path) != self._inode:
            raise StoreUnreachable(self._path, "the file was moved, deleted or replaced while it was open")
        self._wal.refuse_lost()
        return self._connection

    def _begin(self, connection: sqlite3.Connection) -> None:
        if self._try_begin(connection):
            return
        ends_at = self._clock.monotonic() + self.patience
        self._backoff.reset()
        while self._clock.monotonic() < ends_at:
            with self.lane.at_rest():
                self._backoff.wait()
            if self._try_begin(connection):
                return
        raise StoreBusy(self._path, self.patience)

    def _try_begin(self, connection: sqlite3.Connection) -> bool:
        if not self._turn.take():
            return False
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._turn.give()
            if is_busy(error):
                return False
            raise
        return True

    def _run_all(
        self, connection: sqlite3.Connection, operations: Batch, moved: Counter[tuple[str, State]]
    ) -> list[Transaction]:
        done: list[Transaction] = []
        for operation in operations:
            connection.execute("SAVEPOINT one")
            try:
                done.append(self._run_one(connection, operation, moved))
            except Exception as error:
                if not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO one")
                operation.error = self._translated(error)
            connection.execute("RELEASE one")
        return done

    def _run_one(
        self, connection: sqlite3.Connection, operation: AnyOperation, moved: Counter[tuple[str, State]]
    ) -> Transaction:
        if operation.reads_counts:
            write_counts(connection, moved)
            moved.clear()
        transaction = Transaction(connection, operation.moment())
        operation.answer = operation.run(transaction)
        for name, number in transaction.moved.items():
            moved[name] += number
        return transaction

    def _fail(self, batch: Batch, error: BaseException) -> None:
        connection = self._connection
        told = self._translated(error)
        for operation in batch:
            if operation.answer is None or operation.answer is not operation.nothing:
                operation.error = operation.error or told
        if connection is not None:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and breaks_connection(error):
                self._close(connection)
        self._turn.give()

    def _translated(self, error: BaseException) -> BaseException:
        if isinstance(error, sqlite3.Error):
            told = translated(error, self._path, self.patience)
            told.__cause__ = error
            return told
        if isinstance(error, Exception):
            return error
        return StoreUnreachable(self._path, f"its writer was interrupted: {error!r}")

    def _tell(self, batch: Batch, done: Iterable[Transaction]) -> None:
        topics: set[str] = set()
        finals: list[str] = []
        for transaction in done:
            topics |= transaction.topics
            finals += transaction.finals
        if finals and (self._post.hears_jobs() or any(hearer.wants(("job:",)) for hearer in self._hearers())):
            topics.update([f"job:{job_id}" for job_id in finals])
        deliver(batch, self._hearers(), topics)
        if topics:
            self._post.send(topics)

    def _make_room(self) -> None:
        now = self._clock.monotonic()
        if not self.lane.is_busy():
            self._turn_began = now
        elif now - self._turn_began > _LONGEST_TURN:
            self._backoff.yield_turn()
            self._turn_began = self._clock.monotonic()
