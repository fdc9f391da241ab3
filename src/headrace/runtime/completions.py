"""Completes jobs inside transactions of their handlers' own, before these return."""

from headrace.model.change import Status, Verdict
from headrace.model.codec import encode_result
from headrace.model.errors import AlreadyCompleted, AttemptEnded, LeaseLost
from headrace.model.outcome import Returned
from headrace.runtime.attempt import Attempt, Stop
from headrace.runtime.enlisting import enlist, enlist_here
from headrace.runtime.settler import Settler
from headrace.storage.contract import AsyncEnlisted, Enlisted, Storage


class WorkerCompletions:
    """One for a worker. Implements ``services.Completions``."""

    def __init__(self, storage: Storage, settler: Settler) -> None:
        self._storage, self._settler = storage, settler

    def complete(self, attempt: Attempt, session: object, result: object) -> None:
        self._write(attempt, enlist_here(self._storage, session, "current().acomplete_in"), result)

    async def acomplete(self, attempt: Attempt, session: object, result: object) -> None:
        enlisted = enlist(self._storage, session)
        if isinstance(enlisted, AsyncEnlisted):
            again = self._begin(attempt, result)
            assert attempt.enlisted is not None
            _check(attempt, (await enlisted.apply([attempt.enlisted]))[0], again=again)
        else:
            self._write(attempt, enlisted, result)

    def _write(self, attempt: Attempt, enlisted: Enlisted, result: object) -> None:
        again = self._begin(attempt, result)
        assert attempt.enlisted is not None
        _check(attempt, enlisted.apply([attempt.enlisted])[0], again=again)

    def _begin(self, attempt: Attempt, result: object) -> bool:
        """Whether it was called before. From here on what becomes of the attempt is read from the store: marked before
        anything is written, since who is interrupted while writing can't know whether it was done."""
        if attempt.stop is Stop.LOST:
            raise LeaseLost(attempt.job.id)
        before = attempt.enlisted
        self._settler.take_back(attempt)
        attempt.enlisted = self._settler.enlist(attempt, Returned(*encode_result(result, attempt.handler.returns)))
        if attempt.ended:  # looked at once it is marked: the worker looks for the mark once it has ended
            raise AttemptEnded(attempt.job.id)
        return before is not None


def _check(attempt: Attempt, verdict: Verdict, *, again: bool) -> None:
    if verdict.status is Status.APPLIED:
        return
    if again and attempt.stop is not Stop.LOST:
        raise AlreadyCompleted(
            attempt.job.id,
            "call complete_in again only once that is rolled back; or, where it is, the job was lost since",
        )
    raise LeaseLost(attempt.job.id)
