"""Writes inside a transaction that the caller has on a connection of their own to the same database."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakSet

from headrace.model.change import Change, Verdict
from headrace.model.errors import InvalidOption, StoreBusy
from headrace.model.job import NewJob
from headrace.storage import sessions
from headrace.storage.contract import AsyncEnlisted, Enlisted, Receipt
from headrace.storage.postgres import applying, inserting
from headrace.storage.postgres.barring import refused
from headrace.storage.postgres.guests import AsyncGuest, Guest, async_guest, sync_guest
from headrace.storage.postgres.listening import pack
from headrace.storage.postgres.migrating import check_steps
from headrace.storage.postgres.schema import Step
from headrace.storage.postgres.settings import Settings
from headrace.storage.postgres.statement import Contended, Statement, Steps
from headrace.storage.postgres.telling import Latest, Told

T = TypeVar("T")
Make = Callable[[Told], Steps[T]]

KNOWN = f"for this store it must be a connection of psycopg, psycopg2 or asyncpg, sync or async, {sessions.LIBRARIES}"
_WHERE = "SELECT current_database(), to_regclass($1) IS NOT NULL"
_MOST_TRIES = 20
_NOBODY = "-"
"""Origin of a notice that everybody should hear."""


class Enlistment:
    """What every session of a store has in common."""

    def __init__(self, settings: Settings, latest: Latest, patience: float) -> None:
        self._settings, self._latest, self._patience = settings, latest, patience
        self._checked: WeakSet[object] = WeakSet()

    def within(self, session: object) -> Enlisted | AsyncEnlisted:
        """See ``contract.Enlisting``."""
        if sessions.is_async(session):
            return _OnItsLoop(self, session, None)
        connection = sessions.driver_connection(session)
        guest = async_guest(connection)
        if guest is not None:
            return _OnItsLoop(self, session, guest)
        here = sync_guest(connection)
        if here is None:
            raise InvalidOption("session", session, KNOWN)
        here.check(session)
        return _Here(self, here)

    def course(self, connection: object, make: Make[T]) -> Steps[T]:
        """All that is asked on such a connection for one call: a savepoint around it, so that an error takes nothing
        else of the caller's back, and a notice that comes with their commit."""
        yield from self._check(connection)
        yield Statement("SAVEPOINT headrace")
        try:
            told, answer = yield from self._try(make)
            if self._settings.notify and (told.topics or told.finals):
                yield Statement("SELECT pg_notify($1, $2)", (self._settings.schema, pack(told.all_topics(), _NOBODY)))
        except Exception as error:
            yield Statement("ROLLBACK TO SAVEPOINT headrace")
            yield Statement("RELEASE SAVEPOINT headrace")
            moved = refused(error, self._settings.where)
            if moved is not None:
                raise moved from error
            raise
        yield Statement("RELEASE SAVEPOINT headrace")
        return answer

    def _try(self, make: Make[T]) -> Steps[tuple[Told, T]]:
        for _ in range(_MOST_TRIES):
            told = Told(self._latest.now)
            try:
                return told, (yield from make(told))
            except Contended:
                yield Statement("ROLLBACK TO SAVEPOINT headrace")
        raise StoreBusy(self._settings.where, self._patience)

    def _check(self, connection: object) -> Steps[None]:
        """Once for each connection: it leads to a store of ours that this version can write to."""
        if connection in self._checked:
            return
        ours = self._settings.database
        ((theirs, there),) = yield Statement(_WHERE, (f"{self._settings.quoted}.migrations",))
        if ours is not None and theirs != ours:
            allowed = f"it is connected to database {theirs}, and the jobs are in {ours}"
            raise InvalidOption("session", connection, f"{allowed}: one transaction can't hold both")
        done: frozenset[Step] = frozenset()
        if there:
            found = yield Statement("SELECT number, post FROM {schema}.migrations")
            done = frozenset(Step(*row) for row in found)
        check_steps(done, self._settings.where)
        self._checked.add(connection)

    def text(self, statement: Statement) -> str:
        """With the schema filled in."""
        return statement.text.replace("{schema}", self._settings.quoted)


def _insertion(jobs: Sequence[NewJob]) -> Make[list[Receipt[object]]]:
    if inserting.fits_one_statement(jobs, ()):
        return lambda told: inserting.insert_plain(told, jobs)
    return lambda told: inserting.insert(told, jobs, ())


class _Here(Enlisted):
    """On the calling thread."""

    def __init__(self, enlistment: Enlistment, guest: Guest) -> None:
        self._enlistment, self._guest = enlistment, guest

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        return self._run(_insertion(jobs))

    def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return self._run(lambda told: applying.apply(told, changes))

    def _run(self, make: Make[T]) -> T:
        steps = self._enlistment.course(self._guest.connection, make)
        try:
            statement = next(steps)
            while True:
                try:
                    rows = self._guest.fetch(self._enlistment.text(statement), statement.parameters)
                except Exception as error:
                    statement = steps.throw(error)
                else:
                    statement = steps.send(rows)
        except StopIteration as end:
            answer: T = end.value
            return answer


class _OnItsLoop(AsyncEnlisted):
    """On the calling loop."""

    def __init__(self, enlistment: Enlistment, session: object, guest: AsyncGuest | None) -> None:
        """``guest`` is None where the driver's connection can be reached on the loop only."""
        self._enlistment, self._session, self._guest = enlistment, session, guest

    async def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        return await self._run(_insertion(jobs))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return await self._run(lambda told: applying.apply(told, changes))

    async def _run(self, make: Make[T]) -> T:
        guest = await self._find_guest()
        steps = self._enlistment.course(guest.connection, make)
        try:
            statement = next(steps)
            while True:
                try:
                    rows = await guest.fetch(self._enlistment.text(statement), statement.parameters)
                except Exception as error:
                    statement = steps.throw(error)
                else:
                    statement = steps.send(rows)
        except StopIteration as end:
            answer: T = end.value
            return answer

    async def _find_guest(self) -> AsyncGuest:
        guest = self._guest
        if guest is None:
            guest = async_guest(await sessions.adriver_connection(self._session))
            if guest is None:
                raise InvalidOption("session", self._session, KNOWN)
        guest.check(self._session)
        return guest
