"""What the records of a history say of each job, of each call and of all: gathered in one pass.

Places are indices into the list of records.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

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
from headrace.testing.history.scope import Scope


class Call:
    """One call of a producer, and where it was answered."""

    __slots__ = ("answered", "asked", "asking")

    def __init__(self, asked: int, asking: Enqueueing) -> None:
        self.asked, self.asking = asked, asking
        self.answered: int | None = None


Moves = list[tuple[int, Settled]]


class Life:
    """What the records say of one job: each with its place, in order."""

    __slots__ = (
        "asked",
        "brought",
        "ended",
        "granted",
        "moves",
        "ordered",
        "promised",
        "row",
        "settled",
        "started",
        "waited",
        "wanted",
    )

    def __init__(self) -> None:
        self.asked: list[tuple[Call, int]] = []
        """Each call that asks for it, and its place among the jobs of that call."""
        self.wanted: Wanted | None = None
        """As it was asked for first."""
        self.promised: int | None = None
        """Where it was promised first."""
        self.brought: Moves = []
        """Changes of other jobs that bring it along."""
        self.granted: list[tuple[int, Granted]] = []
        self.settled: Moves = []
        self.moves: Moves = []
        """Changes that were let through and took it from its worker."""
        self.started: list[tuple[int, Started]] = []
        self.ended: list[tuple[int, Ended]] = []
        self.ordered: list[tuple[int, Ordering | Ordered]] = []
        self.waited: list[tuple[int, Waited]] = []
        self.row: Job | None = None

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
        self.once: Sequence[tuple[str, Life]] | None = None
        """Those that can't have begun anew, where somebody has looked for them."""
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
            # "is" instead of a match statement: this loop is a third of what a check costs
            if (
                type(record) is Granted
                or type(record) is Started
                or type(record) is Ended
                or type(record) is Settled
                or type(record) is Waited
            ):
                life = lives.get(record.job)
                if life is None:
                    life = lives[record.job] = Life()
                if type(record) is Granted:
                    life.granted.append((place, record))
                elif type(record) is Started:
                    life.started.append((place, record))
                elif type(record) is Ended:
                    life.ended.append((place, record))
                elif type(record) is Settled:
                    self._read_settled(place, record, life)
                elif type(record) is Waited:
                    life.waited.append((place, record))
            elif type(record) is Leased:
                self.leased[record.worker].append((place, record))
            else:
                self._read_other(place, record)

    def _read_settled(self, place: int, record: Settled, life: Life) -> None:
        entry = (place, record)
        life.settled.append(entry)
        if record.applied and record.state is not None:
            life.moves.append(entry)
        for job in record.then:
            self.of(job).brought.append(entry)

    def _read_other(self, place: int, record: AnyRecord) -> None:
        match record:
            case Enqueueing():
                call = self.calls[record.process, record.call] = Call(place, record)
                for position, wanted in enumerate(record.jobs):
                    life = self.of(wanted.id)
                    life.asked.append((call, position))
                    if life.wanted is None:
                        life.wanted = wanted
            case Enqueued() | NotEnqueued():
                self._read_answer(place, record)
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

    def _read_answer(self, place: int, record: Enqueued | NotEnqueued) -> None:
        call = self.calls.get((record.process, record.call))
        if call is None:
            return
        call.answered = place
        if type(record) is Enqueued:
            for wanted, answer in zip(call.asking.jobs, record.answers, strict=False):
                if answer.id == wanted.id and not answer.duplicate:
                    life = self.lives[wanted.id]
                    if life.promised is None:
                        life.promised = place


def jobs_asked(lives: dict[str, Life]) -> Iterator[tuple[str, Life, Wanted]]:
    """Those of which is known what was asked for."""
    for job, life in lives.items():
        if life.wanted is not None:
            yield job, life, life.wanted
