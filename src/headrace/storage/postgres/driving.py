"""Takes operations through their steps on a connection of ours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from headrace.model.errors import HeadraceError, StoreBusy, StoreError
from headrace.storage.postgres.connections import Connections, part
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.faults import ends_connection, translated, wants_redo
from headrace.storage.postgres.settings import Settings
from headrace.storage.postgres.statement import Contended, Rows, Statement, Steps

T = TypeVar("T")

_ANSWERING = 5.0
"""Seconds that an answer may take beyond ``patience``: the server's own word for a lock comes first."""
_MOST_TRIES = 20


class Driver:
    """One for a handle."""

    def __init__(self, connections: Connections, settings: Settings, patience: float) -> None:
        self._connections, self._settings, self._patience = connections, settings, patience
        self._texts: dict[str, str] = {}

    async def read(self, make: Callable[[], Steps[T]]) -> T:
        """Reads, each statement by itself. Done again where a connection is lost: nothing was changed."""
        try:
            return await self._run(make(), atomic=self._settings.pooler, changes=False)
        except _Lost:
            return await self._last(make, atomic=self._settings.pooler, changes=False)

    async def write(self, make: Callable[[], Steps[T]]) -> T:
        """One statement that changes something. AnswerLost where the connection was lost meanwhile."""
        for _ in range(_MOST_TRIES):
            try:
                return await self._last(make, atomic=self._settings.pooler, changes=True)
            except Contended:
                continue
        raise StoreBusy(self._settings.where, self._patience)

    async def transact(self, make: Callable[[], Steps[T]]) -> T:
        """Several statements in one transaction, done anew where another one was faster."""
        for _ in range(_MOST_TRIES):
            try:
                return await self._run(make(), atomic=True, changes=True)
            except Contended:
                continue
            except _Lost:  # before the commit: nothing was done
                return await self._last(make, atomic=True, changes=True)
        raise StoreBusy(self._settings.where, self._patience)

    async def hold(self, work: Callable[[Connection], Awaitable[T]], *, apart: bool = False) -> T:
        """Whatever needs a connection as such; ``apart``: one of its own, and as long as it takes."""
        connection = await (self._connections.connect() if apart else self._connections.acquire())
        broken = True
        try:
            answer = await work(connection)
            broken = False
            return answer
        except HeadraceError:
            broken = False
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise translated(error, self._settings.where, self._patience, lost=False) from error
        finally:
            if apart:
                await part(connection)
            else:
                self._connections.release(connection, broken=broken)

    async def _last(self, make: Callable[[], Steps[T]], *, atomic: bool, changes: bool) -> T:
        try:
            return await self._run(make(), atomic=atomic, changes=changes)
        except _Lost as error:
            raise error.told from error.__cause__

    async def _run(self, steps: Steps[T], *, atomic: bool, changes: bool) -> T:
        connection = await self._connections.acquire()
        course = _Course(connection, self._text, atomic)
        broken = True
        try:
            async with asyncio.timeout(self._patience + _ANSWERING):
                answer = await course.run(steps)
            broken = False
            return answer
        except (Contended, HeadraceError):
            broken = not await course.undo()
            raise
        except Exception as error:
            if ends_connection(error):
                lost = changes and (course.committing or not atomic)
                told = translated(error, self._settings.where, self._patience, lost=lost)
                raise (told if lost else _Lost(told)) from error
            broken = not await course.undo()
            if wants_redo(error):
                raise Contended from error
            if isinstance(error, asyncpg.PostgresError):
                raise translated(error, self._settings.where, self._patience, lost=False) from error
            raise
        finally:
            self._connections.release(connection, broken=broken)

    def _text(self, text: str) -> str:
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = text.replace("{schema}", self._settings.schema)
        return found


class _Lost(Exception):
    """The connection was lost, and nothing was changed."""

    def __init__(self, told: StoreError) -> None:
        super().__init__(str(told))
        self.told = told


class _Course:
    """One operation on one connection."""

    def __init__(self, connection: Connection, text: Callable[[str], str], atomic: bool) -> None:
        self._connection, self._text, self._atomic = connection, text, atomic
        self._begun = False
        self.committing = False

    async def run(self, steps: Steps[T]) -> T:
        try:
            statement = next(steps)
            if self._atomic:
                await self._connection.execute("BEGIN")
                self._begun = True
            while True:
                statement = steps.send(await self._fetch(statement))
        except StopIteration as end:
            if self._begun:
                self.committing = True
                await self._connection.execute("COMMIT")
                self._begun = self.committing = False
            answer: T = end.value
            return answer
        finally:
            steps.close()

    async def _fetch(self, statement: Statement) -> Rows:
        rows: Rows = await self._connection.fetch(self._text(statement.text), *statement.parameters)
        return rows

    async def undo(self) -> bool:
        """Whether the connection is as before."""
        if self._begun:
            try:
                await self._connection.execute("ROLLBACK")
            except Exception:  # whatever it was: the connection is let go of, and the server rolls back
                return False
        return True
