"""A key is held by one job at a time, and a duplicate is one of a job that holds the key.

Of each job two spans are known: in which it surely held its key, and in which it may have. Where the order is exact
they are measured in places of the list; else, and where a window of time holds a key, in milliseconds.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headrace.model.job import Until
from headrace.model.state import FINAL
from headrace.testing.history.asking import Told, asked_at, commands, may_be_reborn, told
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Call, Index, Life, jobs_asked
from headrace.testing.history.records import Answer, Ended, Granted, Started, Wanted
from headrace.testing.history.verdict import Kind

_EVER = 2**62


class Hold(NamedTuple):
    """When a job held its key. Ends are not included."""

    surely_from: int
    surely_to: int
    job: str
    maybe_from: int
    maybe_to: int


class Ruler:
    """Measures spans of holders of one key."""

    def __init__(self, index: Index, jobs: Sequence[tuple[str, Life, Wanted]]) -> None:
        self._index = index
        self._by_place = index.scope.exact and all(wanted.until is not Until.WINDOW for _, _, wanted in jobs)
        self._slack = index.scope.slack

    def early(self, place: int) -> int:
        """Not after what happened there."""
        return place if self._by_place else self._index.at(place) - self._slack

    def late(self, place: int) -> int:
        """Not before what happened there."""
        return place if self._by_place else self._index.at(place) + self._slack

    def hold(self, job: str, life: Life, wanted: Wanted) -> Hold | None:
        """When the job held its key; None where it never had it, or too little is known."""
        calls = [call for call, place in life.asked if told(self._index, job, call, place) in _HOPES]
        if not calls or may_be_reborn(self._index, life) or life.brought:
            return None
        first = min(call.asked for call in calls)
        there = self._there(life)
        surely_to, maybe_to = self._ends(life, wanted, first, there)
        released = [place for place, _ in commands(life, "cancel", "delete")]
        if released:
            surely_to, maybe_to = min(surely_to, self.early(released[0])), _EVER
        if commands(life, "retry"):
            maybe_to = _EVER
        return Hold(_EVER if there is None else self.late(there), surely_to, job, self.early(first), maybe_to)

    def _there(self, life: Life) -> int | None:
        """Where it surely was in the store."""
        seen = [places[0][0] for places in (life.granted, life.started) if places]
        promised = life.promised
        return min(seen if promised is None else [*seen, promised], default=None)

    def _ends(self, life: Life, wanted: Wanted, first: int, there: int | None) -> tuple[int, int]:
        """Before when it surely held the key still, and from when on it surely did not."""
        match wanted.until:
            case Until.WINDOW:
                window = round((wanted.window or 0) * 1000)
                return self.early(first) + window, _EVER if there is None else self.late(there) + window
            case Until.CLAIMED:
                return self._claimed(life)
            case Until.FINISHED:
                return self._finished(life)

    def _claimed(self, life: Life) -> tuple[int, int]:
        row = life.row
        if not life.granted:
            unclaimed = row is not None and row.generation == 0 and not life.started
            return (_EVER if unclaimed else -1), _EVER
        place, grant = life.granted[0]
        by_first = self._index.scope.exact and grant.generation == 1 and not grant.rescued
        return (self.early(place) if by_first else -1), self.late(place)

    def _finished(self, life: Life) -> tuple[int, int]:
        ends = [(place, change.generation) for place, change in life.moves if change.state in FINAL]
        row = life.row
        if self._index.scope.exact and ends:
            return self.early(ends[0][0]), self.late(ends[0][0])
        if ends and row is not None and row.state not in FINAL:
            return -1, _EVER
        if commands(life, "retry"):  # it may have ended before
            return -1, _EVER
        if (row is None and self._index.scope.exact) or (row is not None and row.state not in FINAL):
            return _EVER, _EVER
        if self._index.scope.exact:
            return -1, _EVER
        last = row.generation if row is not None else max((generation for _, generation in ends), default=None)
        own: list[tuple[int, Granted | Started | Ended]] = [*life.granted, *life.started, *life.ended]
        seen = [self.early(place) for place, record in own if record.generation == last]
        # The instant of a change may be that before its call: only the row says when it was done, if its clock agrees.
        # A server reads that clock when the change begins; others see it once it is committed, by its answer at last.
        surely_to, maybe_to = max(seen, default=-1), _EVER
        if seen and row is not None and row.finished_at is not None and row.finished_at >= surely_to:
            answers = [end.answered_at or 0 for _, end in life.moves if end.state in FINAL and end.generation == last]
            maybe_to = max(row.finished_at, *answers) + self._slack if answers else _EVER
        return surely_to, maybe_to


_HOPES = frozenset({Told.PROMISED, Told.UNKNOWN})


def find_wrong_keys(index: Index) -> Iterator[Finding]:
    """DEDUP: two that hold a key at one time; a duplicate while none held it."""
    groups: defaultdict[tuple[str, str], list[tuple[str, Life, Wanted]]] = defaultdict(list)
    for job, life, wanted in jobs_asked(index.lives):
        if wanted.key is not None and (index.scope.steady or wanted.until is not Until.WINDOW):
            groups[wanted.queue, wanted.key].append((job, life, wanted))
    for (queue, key), jobs in groups.items():
        ruler = Ruler(index, jobs)
        holds = {job: ruler.hold(job, life, wanted) for job, life, wanted in jobs}
        known = [hold for hold in holds.values() if hold is not None]
        name = f"key {key} of queue {queue}"
        yield from _find_two(index, name, known)
        for job, life, _ in jobs:
            for call, place in life.asked:
                answer = index.answer(call, place)
                if isinstance(answer, Answer) and answer.duplicate:
                    yield from _judge_duplicate(index, ruler, name, job, call, answer.id, holds)


def _find_two(index: Index, name: str, holds: Sequence[Hold]) -> Iterator[Finding]:
    """Spans in which jobs surely held the key overlap."""
    before: Hold | None = None
    for hold in sorted(hold for hold in holds if hold.surely_from < hold.surely_to):
        if before is not None and before.surely_to > hold.surely_from:
            what = f"{before.job} and {hold.job} held {name} at one time"
            yield Finding(Kind.DEDUP, what, (before.job, hold.job), _seen(index, before.job, hold.job))
        if before is None or hold.surely_to > before.surely_to:
            before = hold


def _judge_duplicate(
    index: Index, ruler: Ruler, name: str, job: str, call: Call, holder: str, holds: dict[str, Hold | None]
) -> Iterator[Finding]:
    """The holder may have held the key at some moment of the call."""
    if call.answered is None:
        return
    said = f"{job} was answered at {index.at(call.answered)} as a duplicate of {holder},"
    life = index.lives.get(holder)
    if holder not in holds:
        stranger = life is None or (not life.asked and not life.brought and life.row is None)
        if not index.scope.fires and (stranger or (life is not None and life.asked)):
            what = f"{said} which nobody asked for with {name}"
            yield Finding(Kind.DEDUP, what, (job, holder), _seen(index, job, holder))
        return
    hold = holds[holder]
    if hold is None:
        if life is not None and all(told(index, holder, *one) is Told.DUPLICATE for one in life.asked):
            what = f"{said} which is a duplicate itself and holds no key"
            yield Finding(Kind.DEDUP, what, (job, holder), _seen(index, job, holder))
    elif hold.maybe_to < ruler.early(call.asked):
        what = f"{said} which had given up {name} before it was asked for at {index.at(call.asked)}"
        yield Finding(Kind.DEDUP, what, (job, holder), _seen(index, job, holder))
    elif hold.maybe_from > ruler.late(call.answered):
        what = f"{said} which was asked for only afterwards"
        yield Finding(Kind.DEDUP, what, (job, holder), _seen(index, job, holder))


def _seen(index: Index, *jobs: str) -> tuple[int, ...]:
    """All that tells of them."""
    places: list[int] = [] if index.rows is None else [index.rows]
    for job in jobs:
        life = index.lives.get(job)
        if life is not None:
            places += asked_at(life)
            for records in (life.granted, life.started, life.ended, life.settled, life.ordered):
                places += [place for place, _ in records]
    return tuple(places)
