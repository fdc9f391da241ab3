"""A producer that asks for no job twice: what was refused for certain must never be there."""

from collections.abc import Awaitable, Callable, Sequence

from headrace.storage.contract import Receipt
from headrace.testing.chaos.producer import Producer, until_sigterm
from headrace.testing.chaos.station import Station
from headrace.testing.history.records import Wanted


class Once(Producer):
    """One process."""

    async def _ask(self, jobs: Sequence[Wanted], send: Callable[[], Awaitable[Sequence[Receipt[object]]]]) -> None:
        await super()._ask(jobs, send)
        self._owed.clear()


def produce_once(station: Station) -> int:
    """The whole process."""
    return until_sigterm(Once(station).run)
