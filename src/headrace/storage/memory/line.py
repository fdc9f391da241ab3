"""A sorted line of entries that name jobs. Dead entries are left in place and dropped when they are met."""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import chain
from typing import Generic, TypeVar

Entry = TypeVar("Entry", tuple[int, str], tuple[int, int, str])
"""What the line is ordered by, and the job's id at the end."""

_SLACK = 64


class Line(Generic[Entry]):
    """Entries in ascending order.

    Those that come in order, as nearly all do, lie in a deque and cost no sorting; the others lie in a heap.
    """

    def __init__(self, lives: Callable[[Entry], bool]) -> None:
        self._lives: Callable[[Entry], bool] = lives
        self._run: deque[Entry] = deque()
        self._heap: list[Entry] = []

    def push(self, entry: Entry) -> None:
        """One more entry."""
        run = self._run
        if not run or entry >= run[-1]:
            run.append(entry)
        else:
            heappush(self._heap, entry)

    def take(self, most: int, before: tuple[int] | None = None) -> list[Entry]:
        """Removes the first living entries, at most so many, and only those below ``before``."""
        taken: list[Entry] = []
        run, heap, lives = self._run, self._heap, self._lives
        while len(taken) < most and (run or heap):
            from_heap = bool(heap) and (not run or heap[0] < run[0])
            entry = heap[0] if from_heap else run[0]
            if before is not None and entry >= before:
                break
            if from_heap:
                heappop(heap)
            else:
                run.popleft()
            # A job that was deleted and inserted anew under its id may stand here twice.
            if lives(entry) and not (taken and taken[-1] == entry):
                taken.append(entry)
        return taken

    def begins_below(self, before: tuple[int]) -> bool:
        """Whether its first entry, living or dead, is below that."""
        return bool(self._run and self._run[0] < before) or bool(self._heap and self._heap[0] < before)

    def first(self) -> Entry | None:
        """The first living entry, left where it is."""
        found = self.take(1)
        self._run.extendleft(found)
        return found[0] if found else None

    def forget(self, living: int) -> None:
        """An entry has died; about ``living`` live. Keeps the dead from outnumbering them."""
        if len(self._run) + len(self._heap) > 2 * living + _SLACK:
            self._run = deque(sorted(set(filter(self._lives, chain(self._run, self._heap)))))
            self._heap = []


def take_first(lines: Iterable[tuple[Line[tuple[int, str]], int]], most: int) -> list[tuple[int, str]]:
    """Removes the first living entries of all these lines together, at most so many, of each line only those that are
    not above its own bound."""
    heads: list[tuple[tuple[int, str], int]] = []
    sources: list[tuple[Line[tuple[int, str]], tuple[int]]] = []
    for line, last in lines:
        before = (last + 1,)
        head = line.first() if line.begins_below(before) else None  # a look at ten thousand lines must cost little
        if head is not None and head < before:
            heads.append((head, len(sources)))
            sources.append((line, before))
    heapify(heads)
    taken: list[tuple[int, str]] = []
    while heads and len(taken) < most:
        head, place = heads[0]
        line, before = sources[place]
        taken.append(head)
        while (following := line.first()) == head:
            line.take(1)
        if following is not None and following < before:
            heapreplace(heads, (following, place))
        else:
            heappop(heads)
    return taken
