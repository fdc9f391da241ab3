"""What a process that was killed had done in its last moments, where its store may lose that, and has.

Such a store goes back to what it was at some moment of the last window before the kill. What a process wrote down
within that window is struck out where what comes later shows that it was undone: the generation in which a job is given
out next, or its row at the end. Nothing older is ever struck out: a store that goes back too far contradicts it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Bought,
    Died,
    Ended,
    Enqueued,
    Enqueueing,
    Granted,
    Ordered,
    Ordering,
    Rows,
    Settled,
    Started,
    Waited,
)

OfAJob = Granted | Settled | Started | Ended


class Undone(NamedTuple):
    """A history without what was undone, and what that was."""

    records: Sequence[AnyRecord]
    lost: int
    """Promised jobs that are gone."""
    struck: int
    """Grants, writes and runs that were undone."""
    holes: Sequence[str] = ()
    """Where not only the end was lost: a promise that is gone, though a later one was kept."""


class _Cut(NamedTuple):
    """How a job stood when the store came back."""

    generation: int
    """The last one in which it was given out; -1 where it was not there."""
    running: bool


def process_of(name: str) -> str:
    """The process whose part this is."""
    return name.partition(".")[0]


def without_undone(records: Sequence[AnyRecord], window: int) -> Undone:
    """``records`` in the order of their instants, the rows last; ``window`` in milliseconds."""
    return _Undoing(records, window).run()


class _Undoing:
    def __init__(self, records: Sequence[AnyRecord], window: int) -> None:
        self._records, self._window = records, window
        self._killed = {record.process: record.at for record in records if isinstance(record, Died)}
        self._granted: defaultdict[str, list[Granted]] = defaultdict(list)
        self._deleted: set[str] = set()
        self._asked: dict[tuple[str, int], int] = {}
        self._before: dict[int, tuple[int, str]] = {}
        self._after: dict[int, tuple[int, str]] = {}
        """By kill: the first promise that is gone, and the last call for one that is there."""
        rows = records[-1] if records else None
        self._rows = {row.id: row for row in rows.jobs} if isinstance(rows, Rows) else {}
        for record in records:
            if isinstance(record, Granted):
                self._granted[record.job].append(record)
            elif isinstance(record, Enqueueing):
                self._asked[record.process, record.call] = record.at
            elif isinstance(record, Ordering) and record.command == "delete":
                self._deleted.update(record.jobs)

    def run(self) -> Undone:
        kept: list[AnyRecord] = []
        lost = struck = 0
        for record in self._records:
            end = self._killed.get(process_of(record.process))
            if end is None or _moment(record) < end - self._window:
                kept.append(record)
                continue
            match record:
                case Enqueued():
                    answers = [self._answer(answer, end) for answer in record.answers]
                    gone = {answer.id for answer in record.answers} - {answer.id for answer in answers}
                    lost += len(gone - self._deleted)
                    self._compare(record, end, gone)
                    kept.append(replace(record, answers=answers))
                case Granted() | Settled() | Started() | Ended() if self._is_undone(record, end):
                    struck += 1
                case Bought() | Ordered() | Waited():
                    pass  # nothing is left that would tell whether it was
                case _:
                    kept.append(record)
        return Undone(kept, lost, struck, self._holes())

    def _compare(self, record: Enqueued, end: int, gone: set[str]) -> None:
        """Where the cut must lie: before the answer to what is gone, after the call for what is there."""
        asked = self._asked.get((record.process, record.call))
        for answer in record.answers:
            if answer.id in gone - self._deleted:
                before, _ = self._before.get(end, (record.at, ""))
                if record.at <= before:
                    self._before[end] = record.at, answer.id
            elif asked is not None and not answer.duplicate and answer.id not in self._deleted:
                after, _ = self._after.get(end, (asked, ""))
                if asked >= after:
                    self._after[end] = asked, answer.id

    def _holes(self) -> Sequence[str]:
        both = [(self._before[end], self._after[end]) for end in sorted(self._before.keys() & self._after.keys())]
        return [
            f"{gone} was promised at {before} and is gone, and {there}, asked for at {after}, is there"
            for (before, gone), (after, there) in both
            if after > before
        ]

    def _answer(self, answer: Answer, end: int) -> Answer:
        """The same, or none, where the job is gone: what nobody was told of may be there or not."""
        return answer if answer.duplicate or self._cut(answer.id, end).generation >= 0 else Answer("")

    def _is_undone(self, record: OfAJob, end: int) -> bool:
        cut = self._cut(record.job, end)
        if isinstance(record, Settled):
            if not record.applied:
                return False
            if cut.running and record.state is not None and record.generation == cut.generation:
                return True
        return record.generation > cut.generation

    def _cut(self, job: str, end: int) -> _Cut:
        for granted in self._granted[job]:
            if granted.at > end and self._killed.get(process_of(granted.process)) != end:
                return _Cut(granted.generation - 1, granted.rescued)
        row = self._rows.get(job)
        return _Cut(-1 if row is None else row.generation, running=False)


def _moment(record: AnyRecord) -> int:
    """When its writer knew."""
    if isinstance(record, Settled) and record.answered_at is not None:
        return record.answered_at
    return record.at
