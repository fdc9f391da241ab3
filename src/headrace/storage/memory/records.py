"""Small named records, changed by compare-and-set."""

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
        self._kept: dict[tuple[str, str], _Kept] = {}

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
                outcome[name] = _Kept(record, None if put.ttl is None else now.later(put.ttl))
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Makes what was weighed true."""
        for name, kept in outcome.items():
            if kept is None:
                self._kept.pop(name, None)
            else:
                self._kept[name] = kept

    def of_kind(
        self, kind: str, now: BootTime, names: Collection[str] | None, after: str | None, limit: int | None
    ) -> Sequence[Record]:
        """Those that have not lapsed, by name."""
        if names is None:
            kept_ones = [kept for (own_kind, _), kept in self._kept.items() if own_kind == kind]
        else:
            kept_ones = [self._kept[kind, name] for name in set(names) if (kind, name) in self._kept]
        found = [kept.record for kept in kept_ones if not _lapsed(kept, now)]
        ordered = sorted(found, key=lambda record: record.name)
        return [record for record in ordered if after is None or record.name > after][:limit]

    def control(self, queue: str, now: BootTime) -> QueueControl:
        """What claims of this queue obey."""
        kept = self._kept.get((QUEUE, queue))
        return _NO_CONTROL if kept is None or _lapsed(kept, now) else _decoded(kept.record.value)

    def forget_lapsed(self, now: BootTime) -> None:
        """Drops what counts as absent already."""
        for name in [name for name, kept in self._kept.items() if _lapsed(kept, now)]:
            del self._kept[name]


def _lapsed(kept: _Kept, now: BootTime) -> bool:
    return kept.lapses_at is not None and kept.lapses_at.reached(now)


@lru_cache(maxsize=1024)
def _decoded(value: str) -> QueueControl:
    return msgspec.json.decode(value, type=QueueControl)
