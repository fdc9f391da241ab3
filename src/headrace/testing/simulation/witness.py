"""Writes the history down, as it happens."""

from collections.abc import Callable, Sequence

import msgspec

from headrace.model.change import Change, Held, Status, Verdict
from headrace.model.job import Job
from headrace.model.rate import Bucket
from headrace.model.record import LIMIT, Put
from headrace.testing.history.records import AnyRecord, Bought, Granted, Leased, Settled

_decode = msgspec.json.Decoder(Bucket).decode


class Witness:
    """One for a simulation. Instants are milliseconds of a wall clock that nobody steps; ``ahead`` says by how much the
    store's is ahead of it at this moment."""

    def __init__(self, wall: Callable[[], int], ahead: Callable[[], int]) -> None:
        self._wall, self.ahead = wall, ahead
        self.records: list[AnyRecord] = []
        self._calls = 0
        self._granted: dict[str, int] = {}
        """Permits that each limit has given out, less those that came back."""

    @property
    def now(self) -> int:
        """Milliseconds."""
        return self._wall()

    def next_call(self) -> int:
        """A number for a call."""
        self._calls += 1
        return self._calls

    def write(self, record: AnyRecord) -> None:
        """The next record."""
        self.records.append(record)

    def leased(self, process: str, worker: str, ttl: float) -> None:
        """A beat was accepted."""
        self.write(Leased(at=self.now, process=process, worker=worker, until=self.now + round(ttl * 1000)))

    def granted(self, process: str, worker: str, jobs: Sequence[Job], *, rescued: bool) -> None:
        """A claim or a reclaim was done."""
        ahead = self.ahead()
        for job in jobs:
            self.write(
                Granted(
                    at=self.now,
                    process=process,
                    worker=worker,
                    job=job.id,
                    queue=job.queue,
                    priority=job.priority,
                    due_at=job.due_at - ahead,
                    generation=job.generation,
                    attempt=job.attempt,
                    crashes=job.crashes,
                    rescued=rescued,
                )
            )

    def applied(self, process: str, changes: Sequence[Change], verdicts: Sequence[Verdict], *, heard: bool) -> None:
        """Changes were weighed: those of a worker to what it holds."""
        for change, verdict in zip(changes, verdicts, strict=True):
            if isinstance(change.guard, Held):
                self.write(
                    Settled(
                        at=self.now,
                        process=process,
                        worker=change.guard.worker,
                        job=change.job_id,
                        generation=change.guard.generation,
                        state=change.patch.state,
                        applied=verdict.status is Status.APPLIED,
                        reason=change.patch.reason,
                        result=change.patch.result,
                        delay=change.patch.delay,
                        then=[new.id for new in change.then],
                        heard=heard,
                    )
                )

    def bought(self, process: str, limit: str, number: int, at: int) -> None:
        """Permits were given out at this instant of the store."""
        self.write(Bought(at=at - self.ahead(), process=process, limit=limit, number=number))

    def put(self, process: str, puts: Sequence[Put], done: Sequence[bool]) -> None:
        """Records were put: buckets of limits among them, to which permits come back. Those that go out are counted by
        who gets them: a bucket tells nothing of those that two get at once."""
        for put, was_done in zip(puts, done, strict=True):
            if was_done and put.kind == LIMIT and put.value is not None:
                bucket = _decode(put.value)
                back = bucket.granted - self._granted.get(put.name, 0)
                self._granted[put.name] = bucket.granted
                if back < 0:
                    self.bought(process, put.name, back, bucket.at)
