"""Takes an insert through a server that is away for a moment: the same jobs again and again, for ``patience`` seconds.

To repeat an insert makes no second job, for a job whose id is there changes nothing. But the puts beside it must not be
done twice, nor be lost to themselves. So where there are any, the transaction's id is kept; and where the answer to its
commit is lost, the server is asked what became of it before anything is done anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from headrace.model.errors import AnswerLost, StoreError, StoreUnreachable
from headrace.storage.postgres.connections import ANSWERING
from headrace.storage.postgres.driving import Driver, InDoubt, Way
from headrace.storage.postgres.faults import is_lasting
from headrace.storage.postgres.pausing import Pace
from headrace.storage.postgres.statement import Statement, Steps

T = TypeVar("T")

_STATUS = "SELECT pg_xact_status(CAST($1 AS text)::xid8)"


class Insistence(Generic[T]):
    """One for each insert. ``run`` ends with its answer; or with StoreUnreachable where nothing was done, AnswerLost
    where that is unknown, or whatever else the server says."""

    def __init__(
        self, driver: Driver, make: Callable[[], Steps[T]], patience: float, *, atomic: bool, once: bool
    ) -> None:
        """``once``: what it does must not be done twice."""
        self._driver, self._make = driver, make
        self._way = Way(atomic or driver.pooled, changes=True, named=once)
        self._pace, self._end = driver.pace, driver.pace.now() + patience
        self._until = asyncio.get_running_loop().time() + patience + ANSWERING
        self._doubt: InDoubt[T] | None = None
        """Of an earlier try."""

    async def run(self) -> T:
        failures = 0
        while True:
            failures += 1
            try:
                return await self._try()
            except InDoubt as doubt:
                self._doubt = doubt
                if self._pace.now() >= self._end:
                    raise doubt.told from doubt.__cause__
            except StoreUnreachable as error:
                if is_lasting(error.__cause__) or self._pace.now() >= self._end:
                    raise self._told(error) from error.__cause__
            except StoreError as error:
                raise self._told(error) from error.__cause__
            await self._pace.rest(failures, self._end - self._pace.now())

    async def _try(self) -> T:
        if self._doubt is not None and self._doubt.name is not None:
            match await self._status(self._doubt.name):
                case "committed":
                    return self._doubt.answer  # type: ignore[return-value] # it was there before the commit
                case "aborted":
                    self._doubt = None
                case _:  # the server has not seen that we are gone
                    raise self._doubt
        return await self._driver.take(self._make, self._way, self._until)

    async def _status(self, name: str) -> str | None:
        def ask() -> Steps[str | None]:
            rows = yield Statement(_STATUS, (name,))
            return rows[0][0]  # type: ignore[no-any-return]

        return await self._driver.take(ask, Way(self._driver.pooled, changes=False), self._until)

    def _told(self, error: StoreError) -> StoreError:
        """What an error of this try means where an earlier one may have been done."""
        if self._doubt is None:
            return error
        why = error.why if isinstance(error, StoreUnreachable) else type(error).__name__
        return AnswerLost(self._doubt.told.where, f"{self._doubt.told.why}, and then, at the next try: {why}")


async def reach(pace: Pace, call: Callable[[], Awaitable[T]], patience: float) -> T:
    """The same for what may be repeated as it is, and changes nothing where it fails."""
    failures, end = 0, pace.now() + patience
    while True:
        failures += 1
        try:
            return await call()
        except StoreUnreachable as error:
            if is_lasting(error.__cause__) or error.__cause__ is None or pace.now() >= end:
                raise
        await pace.rest(failures, end - pace.now())
