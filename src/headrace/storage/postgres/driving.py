"""Takes operations through their steps on a connection of ours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, NoReturn, TypeVar

from headrace.model.errors import AnswerLost, HeadraceError, StoreBusy, StoreError, StoreUnreachable
from headrace.storage.postgres.connections import ANSWERING, PLANS, Connections, part, waiting_bounds
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.faults import ends_connection, translated, wants_redo
from headrace.storage.postgres.pausing import Pace
from headrace.storage.postgres.settings import Settings
from headrace.storage.postgres.statement import Contended, Rows, Statement, Steps

T = TypeVar("T")

_MOST_TRIES = 20
_BEGIN = "BEGIN"
_NAMED = Statement("SELECT pg_current_xact_id()::text")
_GAVE_WAY = f"other transactions were faster {_MOST_TRIES} times"


class Way(NamedTuple):
    """How an operation is taken through."""

    atomic: bool
    """In one transaction; else each statement is one."""
    changes: bool
    """Whether it matters that it may have been done."""
    named: bool = False
    """Whether the transaction's id is kept, so that one may ask what became of it. A round trip more."""


class InDoubt(Exception, Generic[T]):
    """The connection was lost while the last word, a commit or the only statement, was under way."""

    def __init__(self, told: AnswerLost, course: "_Course[T]", answer: T | None) -> None:
        super().__init__(str(told))
        self.told, self.name = told, course.name
        self.answer = answer
        """What it is where that was done."""


class Driver:
    """One for a handle. No call takes longer than ``patience`` and 5 s once it has a connection, and ``patience``
    until then."""

    def __init__(self, connections: Connections, settings: Settings, patience: float) -> None:
        self._connections, self._settings, self._patience = connections, settings, patience
        self._texts: dict[str, str] = {}
        self._begin = _BEGIN
        if settings.pooler:  # which takes no settings for a session
            bounds = (f"SET LOCAL {name} = {value}" for name, value in waiting_bounds(patience).items())
            self._begin = "; ".join(
                [_BEGIN, *bounds, *(f"SET LOCAL {name} = {value}" for name, value in PLANS.items())]
            )

    @property
    def pooled(self) -> bool:
        """Whether only a transaction has a connection to itself."""
        return self._settings.pooler

    @property
    def pace(self) -> Pace:
        """That of connecting."""
        return self._connections.pace

    async def read(self, make: Callable[[], Steps[T]]) -> T:
        """Reads, each statement by itself."""
        return await self.take(make, Way(self._settings.pooler, changes=False))

    async def write(self, make: Callable[[], Steps[T]]) -> T:
        """One statement that changes something. AnswerLost where the connection was lost meanwhile."""
        return await self._settled(make, Way(self._settings.pooler, changes=True))

    async def transact(self, make: Callable[[], Steps[T]]) -> T:
        """Several statements in one transaction. AnswerLost where the connection was lost at the commit."""
        return await self._settled(make, Way(atomic=True, changes=True))

    async def _settled(self, make: Callable[[], Steps[T]], way: Way) -> T:
        try:
            return await self.take(make, way)
        except InDoubt as doubt:
            raise doubt.told from doubt.__cause__

    async def take(self, make: Callable[[], Steps[T]], way: Way, until: float | None = None) -> T:
        """Done anew where the server asked for it, and once more where a connection was lost before anything was done.
        InDoubt where nobody knows. ``until``: when it has to end, on the loop's clock."""
        spare = 1
        for _ in range(_MOST_TRIES):
            connection = await self._acquire(until)
            if until is None:
                until = asyncio.get_running_loop().time() + self._patience + ANSWERING
            try:
                return await self._run(connection, make(), way, until)
            except Contended:
                continue
            except _Lost as lost:
                if not spare or asyncio.get_running_loop().time() >= until:
                    raise lost.told from lost.__cause__
                spare -= 1
        raise StoreBusy(self._settings.where, self._patience, _GAVE_WAY)

    async def _acquire(self, until: float | None) -> Connection:
        if until is None:
            return await self._connections.acquire()
        try:
            async with asyncio.timeout_at(until):
                return await self._connections.acquire()
        except TimeoutError as error:
            raise StoreUnreachable(self._settings.where, "no connection was made in time") from error

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
        except Exception as error:
            told = translated(error, self._settings.where, self._patience, lost=False)
            if told is None:
                raise
            raise told from error
        finally:
            if apart:
                await part(connection)
            else:
                self._connections.release(connection, broken=broken)

    async def _run(self, connection: Connection, steps: Steps[T], way: Way, until: float) -> T:
        course: _Course[T] = _Course(connection, self._text, self._begin if way.atomic else None, way.named)
        broken = True
        try:
            async with asyncio.timeout_at(until):
                answer = await course.run(steps)
            broken = False
            return answer
        except (Contended, HeadraceError):
            broken = not await course.undo()
            raise
        except Exception as error:
            if ends_connection(error):
                self._connections.suspect()
                self._give_up(error, course, way)
            broken = not await course.undo()
            if wants_redo(error):
                raise Contended from error
            told = translated(error, self._settings.where, self._patience, lost=False)
            if told is None:
                raise
            raise told from error
        finally:
            self._connections.release(connection, broken=broken)

    def _give_up(self, error: Exception, course: "_Course[T]", way: Way) -> NoReturn:
        lost = way.changes and (course.committing or not way.atomic)
        told = translated(error, self._settings.where, self._patience, lost=lost)
        assert told is not None
        if isinstance(told, AnswerLost):
            raise InDoubt(told, course, course.answer) from error
        raise _Lost(told) from error

    def _text(self, text: str) -> str:
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = text.replace("{schema}", self._settings.quoted)
        return found


class _Lost(Exception):
    """The connection was lost, and nothing was changed."""

    def __init__(self, told: StoreError) -> None:
        super().__init__(str(told))
        self.told = told


class _Course(Generic[T]):
    """One operation on one connection."""

    def __init__(self, connection: Connection, text: Callable[[str], str], begin: str | None, named: bool) -> None:
        self._connection, self._text, self._begin, self._named = connection, text, begin, named
        self._begun = False
        self.committing = False
        self.name: str | None = None
        """The transaction's id, where it was asked for."""
        self.answer: T | None = None
        """Once all was said but the last word."""

    async def run(self, steps: Steps[T]) -> T:
        try:
            statement = next(steps)
            if self._begin is not None:
                await self._connection.execute(self._begin)
                self._begun = True
                if self._named:
                    self.name = (await self._fetch(_NAMED))[0][0]
            while True:
                statement = steps.send(await self._fetch(statement))
        except StopIteration as end:
            answer: T = end.value
            self.answer = answer
            if self._begun:
                self.committing = True
                await self._connection.execute("COMMIT")
                self._begun = self.committing = False
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
