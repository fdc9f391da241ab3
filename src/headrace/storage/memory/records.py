"""Small named records, changed by compare-and-set."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from headrace.model.record import QUEUE, Expect, Put, QueueControl, Record
from headrace.storage.memory.leases import BootTime

_NO_CONTROL = QueueControl()


class _Kept(NamedTuple):
    record: Record
    lapses_at: BootTime | None


Outcome = dict[tuple[str, str], _Kept | None]
"""What records become; None: removed."""


class Records:
    """Kept by kind and name. A ttl runs on the clock of leases: leaders' leases are records."""

    def __init__(self) -> None:
        self._kinds: defaultdict[str, dict[str, _Kept]] = defaultdict(dict)
        self._lapsing: set[tuple[str, str]] = set()
        """Those with a ttl: a look for lapsed ones must not cost a look at every user's record."""

    def weigh(self, puts: Iterable[Put], now: BootTime) -> Outcome | Put:
        """What these puts, one after another, would make of the records; or the first of them that loses."""
        outcome: Outcome = {}
        for put in puts:
            name = (put.kind, put.name)
            kept = outcome[name] if name in outcome else self._kinds[put.kind].get(put.name)
            version = 0 if kept is None or _lapsed(kept, now) else kept.record.version
            if put.expect is not Expect.ANY and version != (0 if put.expect is Expect.ABSENT else put.expect):
                return put
            if put.value is None:
                outcome[name] = None
            else:
                record = Record(put.kind, put.name, put.value, version + 1)
                outcome[name] = _Kept(record, None if put.ttl is None else now.later(put.ttl))
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Makes what was weighed true."""
        for (kind, name), kept in outcome.items():
            if kept is None:
                self._kinds[kind].pop(name, None)
            else:
                self._kinds[kind][name] = kept
            if kept is None or kept.lapses_at is None:
                self._lapsing.discard((kind, name))
            else:
                self._lapsing.add((kind, name))

    def of_kind(
        self, kind: str, now: BootTime, names: Collection[str] | None, after: str | None, limit: int | None
    ) -> Sequence[Record]:
        """Those that have not lapsed, by name."""
        kept = self._kinds[kind]
        wanted = (
            name for name in (kept if names is None else set(names) & kept.keys()) if after is None or name > after
        )
        found = [kept[name].record for name in sorted(wanted) if not _lapsed(kept[name], now)]
        return found[:limit]

    def has_ceiling(self, queue: str) -> bool:
        """Whether the jobs of this queue that run at once are limited."""
        kept = self._kinds[QUEUE].get(queue)
        return kept is not None and _decoded(kept.record.value).concurrency is not None

    def control(self, queue: str, now: BootTime) -> QueueControl:
        """What claims of this queue obey."""
        kept = self._kinds[QUEUE].get(queue)
        return _NO_CONTROL if kept is None or _lapsed(kept, now) else _decoded(kept.record.value)

    def forget_lapsed(self, now: BootTime) -> None:
        """Drops what counts as absent already."""
        for kind, name in list(self._lapsing):
            if _lapsed(self._kinds[kind][name], now):
                del self._kinds[kind][name]
                self._lapsing.discard((kind, name))


def _lapsed(kept: _Kept, now: BootTime) -> bool:
    return kept.lapses_at is not None and kept.lapses_at.reached(now)


@lru_cache(maxsize=1024)
def _decoded(value: str) -> QueueControl:
    return msgspec.json.decode(value, type=QueueControl)
