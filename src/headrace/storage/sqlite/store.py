"""What all handles of one process on one file share: a writer, a reader, and who listens."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

import msgspec

from headrace.model.errors import CorruptStore, SchemaTooOld, StoreError, StoreUnreachable
from headrace.storage.sqlite import inspection
from headrace.storage.sqlite.connecting import connect_writer
from headrace.storage.sqlite.faults import is_busy, translated, translated_os
from headrace.storage.sqlite.lane import Lane
from headrace.storage.sqlite.listening import Hub
from headrace.storage.sqlite.migrating import LATEST, create, migrate_open
from headrace.storage.sqlite.reader import Reader
from headrace.storage.sqlite.turn import Backoff
from headrace.storage.sqlite.wake import Post, ensure_folder
from headrace.storage.sqlite.writer import Writer
from headrace.system.clock import SystemClock

_STILL = 5.0
"""Seconds that a fork waits for our threads, at most: a commit takes milliseconds, a checkpoint more."""


class Settings(msgspec.Struct, frozen=True):
    """How a handle wants the file opened."""

    durable: bool
    auto_migrate: bool
    patience: float
    filesystem_checked: bool
    read_only: bool
    adopts: bool
    """Whether another program's database may become a store beside its own tables."""


class Store:
    """One file in one process."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _stores: ClassVar[dict[str, "Store"]] = {}
    _forking: ClassVar[threading.Lock] = threading.Lock()
    _held: ClassVar[list[Lane]] = []
    """While a fork is under way: threads that stand still."""
    _inherited: ClassVar[list["Store"]] = []
    """In a forked child: stores of the parent, whose connections are to be closed before others are opened."""
    _left_behind: ClassVar[list["Store"]] = []
    """Those that were in use at the fork. Never used, and never finalised: that would close their connections."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._handles = 0
        self._hubs: tuple[Hub, ...] = ()
        self._prepared: bool | None = None
        self._writer: Writer | None = None
        self.reader = Reader(path)
        self.folder: str | None = None
        self.post: Post = Post(None)

    @classmethod
    def join(cls, path: str) -> "Store":
        """The store of this file, made at the first call."""
        with cls._lock:
            cls._disown()
            store = cls._stores.get(path)
            if store is None:
                store = cls._stores[path] = cls(path)
            store._handles += 1
            return store

    # --- forks -------------------------------------------------------------------------------------------------------

    @classmethod
    def hold_still(cls) -> None:
        """Before a fork: none of our threads is inside SQLite when it happens."""
        cls._forking.acquire()
        ends_at = SystemClock().monotonic() + _STILL
        lanes = [lane for store in list(cls._stores.values()) for lane in store._lanes()]  # noqa: SLF001
        cls._held = [lane for lane in lanes if lane.hold(max(0.0, ends_at - SystemClock().monotonic()))]

    @classmethod
    def go_on(cls) -> None:
        """After it, in the parent."""
        for lane in cls._held:
            lane.let_go()
        cls._held = []
        cls._forking.release()

    @classmethod
    def leave_behind(cls) -> None:
        """After it, in the child: forgets the parent's stores without touching them, but for the turn. A lock on that
        is held for as long as any process has it open: the child would keep it where the parent is killed in a
        commit."""
        cls._lock, cls._forking = threading.Lock(), threading.Lock()
        for store in cls._stores.values():
            store.let_go_of_turn()
            (cls._inherited if all(lane in cls._held for lane in store._lanes()) else cls._left_behind).append(store)  # noqa: SLF001
        cls._stores, cls._held = {}, []

    @classmethod
    def _disown(cls) -> None:
        """In a child that opens a file of its own. SQLite keeps one account of a file's locks for the whole process,
        and a fork copies the account, not the locks: whatever the child opened beside the parent's connections would
        hold none, or find the file locked for good. Closed here, they take nothing from the parent."""
        inherited, cls._inherited = cls._inherited, []
        for store in inherited:
            store.reader.disconnect()
            if store._writer is not None:  # noqa: SLF001
                store._writer.disconnect()  # noqa: SLF001

    def _lanes(self) -> Sequence[Lane]:
        return [self.reader.lane] if self._writer is None else [self.reader.lane, self._writer.lane]

    def let_go_of_turn(self) -> None:
        """In a forked child."""
        if self._writer is not None:
            self._writer.let_go_of_turn()

    # --- life --------------------------------------------------------------------------------------------------------

    async def leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """The last one ends the threads, and waits until they have let go of the file."""
        with self._lock:
            self._handles -= 1
            if self._handles:
                return
            if self._stores.get(self.path) is self:
                del self._stores[self.path]
        if self._writer is not None:
            await self._writer.stop(loop)
        self.post.close()
        await self.reader.stop(loop)

    @property
    def writer(self) -> Writer:
        """Once prepared."""
        if self._writer is None:
            raise StoreUnreachable(self.path, "it was not opened")
        return self._writer

    def add_hub(self, hub: Hub) -> None:
        """It hears what is committed."""
        with self._lock:
            self._hubs = (*self._hubs, hub)

    def remove_hub(self, hub: Hub) -> None:
        """It hears nothing more."""
        with self._lock:
            self._hubs = tuple(other for other in self._hubs if other is not hub)

    def prepare(self, settings: Settings) -> None:
        """In the reader's thread: refuses what must not be touched, creates what is missing, migrates what is old."""
        if self._writer is None:
            self._check_or_create(settings)
            self._start(settings)
        elif not settings.read_only and self._writer.read_only:
            self._writer.read_only = False
        self.writer.patience = max(self.writer.patience, settings.patience)
        self.writer.durable = self.writer.durable or settings.durable

    def _check_or_create(self, settings: Settings) -> None:
        if settings.filesystem_checked:
            inspection.check_filesystem(self.path)
        try:
            if not inspection.is_there(self.path):
                if settings.read_only:
                    raise StoreUnreachable(self.path, "there is no such file")
                create(self.path)
            version = inspection.check_contents(self.reader.connection(), self.path, adopts=settings.adopts)
            if version < LATEST:
                if settings.read_only or (version and not settings.auto_migrate):
                    raise SchemaTooOld(self.path, version, LATEST)
                self.migrate(settings.patience, adopts=settings.adopts)
        except sqlite3.Error as error:
            told: StoreError = translated(error, self.path, settings.patience)
            if isinstance(told, CorruptStore):
                told = inspection.describe_damage(self.path, error)
            raise told from error
        except OSError as error:
            raise translated_os(error, self.path) from error

    def _start(self, settings: Settings) -> None:
        self.folder = None if settings.read_only else ensure_folder(self.path)
        self.post = Post(self.folder)
        self._writer = Writer(self.path, self.post, lambda: self._hubs, self.folder)
        self._writer.read_only = settings.read_only

    def migrate(self, patience: float, *, adopts: bool = False) -> int:
        """Under the write lock, safe from many processes."""
        connection = connect_writer(self.path, durable=True)
        try:
            _begin(connection, self.path, patience)
            found = inspection.check_contents(connection, self.path, adopts=adopts)
            reached = migrate_open(connection) if found < LATEST else found
            connection.execute("COMMIT")
            return reached
        finally:
            with suppress(sqlite3.Error):
                connection.close()


def _begin(connection: sqlite3.Connection, path: str, patience: float) -> None:
    clock, backoff = SystemClock(), Backoff()
    ends_at = clock.monotonic() + patience
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if not is_busy(error) or clock.monotonic() >= ends_at:
                raise translated(error, path, patience) from error
            backoff.wait()
        else:
            return


os.register_at_fork(before=Store.hold_still, after_in_parent=Store.go_on, after_in_child=Store.leave_behind)
