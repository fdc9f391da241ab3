"""What the records of a history say of each job, of each call and of all: gathered in one pass.

Places are indices into the list of records.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

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
    Stepped,
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

    __slots__ = ("answered", "asked", "asking")

    def __init__(self, asked: int, asking: Enqueueing) -> None:
        self.asked, self.asking = asked, asking
        self.answered: int | None = None


Moves = list[tuple[int, Settled]]


class Life:
    """What the records say of one job: each with its place, in order."""

    __slots__ = ("asked", "brought", "ended", "granted", "ordered", "row", "settled", "started", "waited")

    def __init__(self) -> None:
        self.asked: list[tuple[Call, int]] = []
        """Each call that asks for it, and its place among the jobs of that call."""
        self.brought: Moves = []
        """Changes of other jobs that bring it along."""
        self.granted: list[tuple[int, Granted]] = []
        self.settled: Moves = []
        self.started: list[tuple[int, Started]] = []
        self.ended: list[tuple[int, Ended]] = []
        self.ordered: list[tuple[int, Ordering | Ordered]] = []
        self.waited: list[tuple[int, Waited]] = []
        self.row: Job | None = None

    @property
    def wanted(self) -> Wanted | None:
        """As it was asked for first."""
        if not self.asked:
            return None
        call, place = self.asked[0]
        return call.asking.jobs[place]

    def moves(self) -> Moves:
        """Changes that were let through and took it from its worker."""
        return [move for move in self.settled if move[1].applied and move[1].state is not None]

    def generations(self) -> Sequence[tuple[int, Granted]]:
        """Its grants by generation, the first of each."""
        if len(self.granted) < 2:
            return self.granted
        in_order = sorted(self.granted, key=_generation)
        return [next(group) for _, group in groupby(in_order, key=_generation)]


def _generation(granted: tuple[int, Granted]) -> int:
    return granted[1].generation


class Index:
    """The records, and what is where."""

    def __init__(self, records: Sequence[AnyRecord], scope: Scope) -> None:
        self.records, self.scope = records, scope
        self.lives: dict[str, Life] = {}
        self.calls: dict[tuple[str, int], Call] = {}
        self.rows: int | None = None
        """Where the rows at the end are."""
        self.healed: int | None = None
        """Where the faults end."""
        self.removed: list[tuple[int, Removed]] = []
        self.scheduled: list[tuple[int, Scheduled]] = []
        self.ceilings: defaultdict[str, list[tuple[int, Ceiling]]] = defaultdict(list)
        self.leased: defaultdict[str, list[tuple[int, Leased]]] = defaultdict(list)
        """By worker."""
        self.permits: defaultdict[str, list[tuple[int, Declared | Bought]]] = defaultdict(list)
        """By limit."""
        self.marks: defaultdict[type, list[int]] = defaultdict(list)
        """Where kills, stops and steps of the clock are."""
        self._read()

    def of(self, job: str) -> Life:
        """The life of this job, a new one where there is none."""
        life = self.lives.get(job)
        if life is None:
            life = self.lives[job] = Life()
        return life

    def at(self, place: int) -> int:
        """When that was."""
        return self.records[place].at

    def answer(self, call: Call, place: int) -> Answer | NotEnqueued | None:
        """What the producer of this job was told; None: nothing."""
        if call.answered is None:
            return None
        answer = self.records[call.answered]
        if isinstance(answer, Enqueued):
            return answer.answers[place] if place < len(answer.answers) else None
        return answer if isinstance(answer, NotEnqueued) else None

    def _read(self) -> None:
        lives = self.lives
        for place, record in enumerate(self.records):
            if not isinstance(record, _BY_JOB):
                self._read_other(place, record)
                continue
            life = lives.get(record.job)
            if life is None:
                life = lives[record.job] = Life()
            if isinstance(record, Granted):
                life.granted.append((place, record))
            elif isinstance(record, Settled):
                life.settled.append((place, record))
                for job in record.then:
                    self.of(job).brought.append((place, record))
            elif isinstance(record, Started):
                life.started.append((place, record))
            elif isinstance(record, Ended):
                life.ended.append((place, record))
            else:
                life.waited.append((place, record))

    def _read_other(self, place: int, record: AnyRecord) -> None:
        match record:
            case Enqueueing():
                call = self.calls[record.process, record.call] = Call(place, record)
                for position, wanted in enumerate(record.jobs):
                    self.of(wanted.id).asked.append((call, position))
            case Enqueued() | NotEnqueued():
                answered = self.calls.get((record.process, record.call))
                if answered is not None:
                    answered.answered = place
            case Leased():
                self.leased[record.worker].append((place, record))
            case Bought() | Declared():
                self.permits[record.limit].append((place, record))
            case Ordering() | Ordered():
                for job in record.jobs if isinstance(record, Ordering) else record.done:
                    self.of(job).ordered.append((place, record))
            case Ceiling():
                self.ceilings[record.queue].append((place, record))
            case Scheduled():
                self.scheduled.append((place, record))
            case Removed():
                self.removed.append((place, record))
            case Rows():
                self.rows = place
                for row in record.jobs:
                    self.of(row.id).row = row
            case Healed():
                self.healed = place
            case Died() | Stopped() | Stepped():
                self.marks[type(record)].append(place)
            case _:
                raise AssertionError(record)


_BY_JOB = (Granted, Settled, Started, Ended, Waited)


def jobs_asked(lives: dict[str, Life]) -> Iterator[tuple[str, Life, Wanted]]:
    """Those of which is known what was asked for."""
    for job, life in lives.items():
        wanted = life.wanted
        if wanted is not None:
            yield job, life, wanted
