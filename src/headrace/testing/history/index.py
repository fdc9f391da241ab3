"""What the records of a history say of each job, of each call and of all: gathered in one pass.

Places are indices into the list of records.
"""

from collections.abc import Iterator, Sequence

import msgspec

from headrace.model.job import Job
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Bought,
    Ceiling,
    Declared,
    Died,
    Ended,
    Enqueued,
    Enqueueing,
    Granted,
    Healed,
    Leased,
    NotEnqueued,
    Ordered,
    Ordering,
    Removed,
    Rows,
    Scheduled,
    Settled,
    Started,
    Stopped,
    Waited,
    Wanted,
)


class Scope(msgspec.Struct, frozen=True):
    """What holds for a whole history, and so for every part of it."""

    exact: bool = False
    """Whether the list is in the order in which things happened, each at its instant, and nothing is missing."""
    patience: int | None = None
    """Milliseconds after Healed, or after it is due, in which a job must end; None: at the end it must have."""
    budget: int = 3
    """Crashes after which a job that crashes alone is dead."""
    asks: bool = False
    """Whether producers say what they ask for."""
    removed: int = 0
    """How many jobs retention removed."""
    fires: bool = False
    """Whether there are schedules, whose jobs nobody asks for by id."""
    telling: frozenset[str] = frozenset()
    """Tasks whose handlers say when they end."""
    steady: bool = True
    """Whether due times are on the clock of ``at``."""

    @property
    def slack(self) -> int:
        """Milliseconds by which instants that two processes wrote may be wrong against each other."""
        return 0 if self.exact else 20


class Call:
    """One call of a producer, and where it was answered."""

    __slots__ = ("answered", "asked")

    def __init__(self, asked: int) -> None:
        self.asked = asked
        self.answered: int | None = None


class Life:
    """Where the records of one job are, in order."""

    __slots__ = ("asked", "brought", "ended", "granted", "ordered", "row", "settled", "started", "waited")

    def __init__(self) -> None:
        self.asked: list[tuple[Call, int]] = []
        """Each call that asks for it, and its place among the jobs of that call."""
        self.brought: list[int] = []
        """Changes of other jobs that bring it along."""
        self.granted: list[int] = []
        self.settled: list[int] = []
        self.started: list[int] = []
        self.ended: list[int] = []
        self.ordered: list[int] = []
        """Operators' commands and their answers."""
        self.waited: list[int] = []
        self.row: Job | None = None


class Index:
    """The records, and what is where."""

    def __init__(self, records: Sequence[AnyRecord], scope: Scope) -> None:
        self.records, self.scope = records, scope
        self.lives: dict[str, Life] = {}
        self.calls: dict[tuple[str, int], Call] = {}
        self.places: dict[type, list[int]] = {kind: [] for kind in _KINDS}
        self.rows: int | None = None
        """Where the rows at the end are."""
        self._read()

    def of(self, job: str) -> Life:
        """The life of this job, a new one where there is none."""
        life = self.lives.get(job)
        if life is None:
            life = self.lives[job] = Life()
        return life

    def all(self, kind: type) -> Sequence[int]:
        """Where the records of this kind are that aren't found by job."""
        return self.places[kind]

    def wanted(self, life: Life) -> Iterator[Wanted]:
        """As its producers asked for it, once for each call."""
        for call, place in life.asked:
            asking = self.records[call.asked]
            assert isinstance(asking, Enqueueing)
            yield asking.jobs[place]

    def answer(self, call: Call, place: int) -> "Answer | NotEnqueued | None":
        """What the producer of this job was told; None: nothing."""
        if call.answered is None:
            return None
        answer = self.records[call.answered]
        if isinstance(answer, Enqueued):
            return answer.answers[place] if place < len(answer.answers) else None
        assert isinstance(answer, NotEnqueued)
        return answer

    def _read(self) -> None:
        lives, places = self.lives, self.places
        for place, record in enumerate(self.records):
            kind = type(record)
            if isinstance(record, BY_JOB):
                life = lives.get(record.job)
                if life is None:
                    life = lives[record.job] = Life()
                if kind is Granted:
                    life.granted.append(place)
                elif kind is Started:
                    life.started.append(place)
                elif kind is Ended:
                    life.ended.append(place)
                elif isinstance(record, Settled):
                    life.settled.append(place)
                    for job in record.then:
                        self.of(job).brought.append(place)
                else:
                    life.waited.append(place)
            elif kind in places:
                places[kind].append(place)
            else:
                self._read_other(place, record)

    def _read_other(self, place: int, record: AnyRecord) -> None:
        of = self.of
        match record:
            case Enqueueing():
                call = self.calls[record.process, record.call] = Call(place)
                for position, wanted in enumerate(record.jobs):
                    of(wanted.id).asked.append((call, position))
            case Enqueued() | NotEnqueued():
                answered = self.calls.get((record.process, record.call))
                if answered is not None:
                    answered.answered = place
            case Ordering():
                for job in record.jobs:
                    of(job).ordered.append(place)
            case Ordered():
                for job in record.done:
                    of(job).ordered.append(place)
            case Rows():
                self.rows = place
                for row in record.jobs:
                    of(row.id).row = row


BY_JOB = (Granted, Settled, Started, Ended, Waited)
"""The records that are about one job."""
_KINDS = (Removed, Declared, Scheduled, Ceiling, Leased, Bought, Died, Stopped, Healed)
