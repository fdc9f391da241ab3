"""What has changed in the tables of a store, and how that is packed."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Never, TypeVar

import msgspec

from headrace.model.job import Job
from headrace.model.timeline import Entry
from headrace.storage.memory.keys import Hold
from headrace.storage.memory.leases import BootTime
from headrace.storage.memory.records import Kept
from headrace.storage.memory.store import Tables

K = TypeVar("K")
V = TypeVar("V")

MOST_ROWS = 2000
"""In one entry of the journal: packing as many holds the interpreter for two milliseconds."""
MOST_SIZE = 1_048_576
"""Characters of payloads and results in one entry, about."""


class Table(dict[K, V]):
    """A dict that notes what is put into it and taken out."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[K, V | None] = {}
        """The new value of a key; None: it is gone."""

    def __setitem__(self, key: K, value: V, _set: Any = dict.__setitem__) -> None:
        _set(self, key, value)
        self.changed[key] = value

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self.changed[key] = None

    def pop(self, key: K, default: Any = None) -> Any:
        """As a dict does; nothing is noted where nothing is there."""
        if key in self:
            self.changed[key] = None
        return super().pop(key, default)

    def _unnoted(self, *_: object, **__: object) -> Never:
        raise TypeError("a change that would not be noted")

    clear = popitem = setdefault = update = __ior__ = _unnoted


class Changes(msgspec.Struct, array_like=True, frozen=True):
    """Rows of each table by key, as ``Tables`` has them; None: gone. An entry of the journal is one of these."""

    jobs: dict[str, Job | None] = {}
    holds: dict[tuple[str, str], Hold | None] = {}
    leases: dict[str, BootTime | None] = {}
    records: dict[tuple[str, str], Kept | None] = {}
    entries: dict[str, Entry | None] = {}

    def tables(self) -> Sequence[dict[Any, Any]]:
        """All of them, in order."""
        return (self.jobs, self.holds, self.leases, self.records, self.entries)

    def __len__(self) -> int:
        return sum(map(len, self.tables()))


class Noted:
    """The tables of a store, noting their changes. Under the store's lock."""

    def __init__(self) -> None:
        self.tables = Tables(Table)
        tables: Any = self.tables
        self._vital: tuple[Table[Any, Any], ...] = (tables.jobs, tables.holds, tables.records, tables.entries)
        self.all: tuple[Table[Any, Any], ...] = (
            tables.jobs,
            tables.holds,
            tables.leases,
            tables.records,
            tables.entries,
        )

    def has_changed(self) -> bool:
        """Whether anything is to be kept. Leases are not waited for: they end with their process."""
        return any(table.changed for table in self._vital)

    def take(self) -> Changes:
        """What has changed since this was last called."""
        taken = [table.changed for table in self.all]
        for table in self.all:
            table.changed = {}
        return Changes(*taken)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Changes).decode


def pack(changes: Changes) -> bytes:
    """The bytes of an entry. They end in a checksum."""
    return zlib.compress(_encode(changes), 1)


def unpack(data: bytes) -> Changes:
    """The way back; ValueError where these are not the bytes that were packed."""
    try:
        return _decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error


def split(changes: Changes) -> Iterator[Changes]:
    """The same in parts that are small enough to be packed in one go."""
    if len(changes) <= MOST_ROWS and sum(map(_size_of, changes.tables())) <= MOST_SIZE:
        if changes:
            yield changes
        return
    for index, table in enumerate(changes.tables()):
        for part in _parts(table):
            rows: list[dict[Any, Any]] = [{} for _ in changes.tables()]
            rows[index] = part
            yield Changes(*rows)


def _parts(table: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    items = iter(table.items())
    while part := dict(islice(items, MOST_ROWS)):
        if _size_of(part) <= MOST_SIZE:
            yield part
            continue
        few: dict[Any, Any] = {}
        size = 0
        for key, value in part.items():
            few[key] = value
            size += _size_of({key: value})
            if size > MOST_SIZE // 2:
                yield few
                few, size = {}, 0
        if few:
            yield few


def _size_of(table: dict[Any, Any]) -> int:
    """Of the texts that users wrote."""
    if not table:
        return 0
    values = [value for value in table.values() if value is not None]
    match values[:1]:
        case [Job()]:
            return sum([len(job.payload) + len(job.result or "") for job in values])
        case [Kept()]:
            return sum([len(kept.record.value) for kept in values])
        case [Entry()]:
            return sum([len(entry.value) for entry in values])
        case _:
            return 0
