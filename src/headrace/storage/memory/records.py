"""Small named records, changed by compare-and-set."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from heapq import nsmallest
from typing import NamedTuple

import msgspec

from headrace.model.record import QUEUE, Expect, Put, QueueControl, Record
from headrace.storage.memory.leases import BootTime

_NO_CONTROL = QueueControl()


class Kept(NamedTuple):
    """A record, and until when."""

    record: Record
    lapses_at: BootTime | None


Outcome = dict[tuple[str, str], Kept | None]
"""What records become; None: removed."""


class Records:
    """Kept by kind and name. A ttl runs on the clock of leases: leaders' leases are records."""

    def __init__(self, kept: dict[tuple[str, str], Kept]) -> None:
        self._kept = kept
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._lapsing: set[tuple[str, str]] = set()
        """Those with a ttl: a look for lapsed ones must not cost a look at every user's record."""

    def weigh(self, puts: Iterable[Put], now: BootTime) -> Outcome | Put:
        """What these puts, one after another, would make of the records; or the first of them that loses."""
        outcome: Outcome = {}
        for put in puts:
            name = (put.kind, put.name)
            kept = outcome[name] if name in outcome else self._kept.get(name)
            version = 0 if kept is None or _lapsed(kept, now) else kept.record.version
            if put.expect is not Expect.ANY and version != (0 if put.expect is Expect.ABSENT else put.expect):
                return put
            if put.value is None:
                outcome[name] = None
            else:
                record = Record(put.kind, put.name, put.value, version + 1)
                outcome[name] = Kept(record, None if put.ttl is None else now.later(put.ttl))
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Makes what was weighed true."""
        for name, kept in outcome.items():
            if kept is None:
                self._forget(name)
                continue
            self._kept[name] = kept
            self._names[name[0]].add(name[1])
            if kept.lapses_at is None:
                self._lapsing.discard(name)
            else:
                self._lapsing.add(name)

    def _forget(self, name: tuple[str, str]) -> None:
        if self._kept.pop(name, None) is not None:
            self._names[name[0]].discard(name[1])
        self._lapsing.discard(name)

    def of_kind(
        self, kind: str, now: BootTime, names: Collection[str] | None, after: str | None, limit: int | None
    ) -> Sequence[Record]:
        """Those that have not lapsed, by name."""
        there = self._names[kind]
        wanted = (name for name in (there if names is None else there & set(names)) if after is None or name > after)
        found = (self._kept[kind, name] for name in sorted(wanted))
        return [kept.record for kept in found if not _lapsed(kept, now)][:limit]

    def get(self, kind: str, name: str) -> Record | None:
        """One that never lapses."""
        kept = self._kept.get((kind, name))
        return None if kept is None else kept.record

    def following(
        self, after: tuple[str, str], without: Collection[str], now: BootTime, most: int
    ) -> list[tuple[Record, float | None]]:
        """The first records above this one by kind and name, at most so many, without these kinds and lapsed ones, and
        in how many seconds each lapses."""
        names = (
            name
            for name, kept in self._kept.items()
            if name > after and name[0] not in without and not _lapsed(kept, now)
        )
        found = (self._kept[name] for name in nsmallest(most, names))
        return [(record, None if ends is None else (ends.at - now.at) / 1000) for record, ends in found]

    def has_ceiling(self, queue: str) -> bool:
        """Whether the jobs of this queue that run at once are limited."""
        kept = self._kept.get((QUEUE, queue))
        return kept is not None and _decoded(kept.record.value).concurrency is not None

    def control(self, queue: str, now: BootTime) -> QueueControl:
        """What claims of this queue obey."""
        kept = self._kept.get((QUEUE, queue))
        return _NO_CONTROL if kept is None or _lapsed(kept, now) else _decoded(kept.record.value)

    def forget_lapsed(self, now: BootTime) -> None:
        """Drops what counts as absent already."""
        for name in [name for name in self._lapsing if _lapsed(self._kept[name], now)]:
            self._forget(name)


def _lapsed(kept: Kept, now: BootTime) -> bool:
    return kept.lapses_at is not None and kept.lapses_at.reached(now)


@lru_cache(maxsize=1024)
def _decoded(value: str) -> QueueControl:
    return msgspec.json.decode(value, type=QueueControl)
