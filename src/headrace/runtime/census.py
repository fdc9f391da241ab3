"""What is in a store: how many rows of each kind, and a checksum over all of them."""

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from headrace.model.job import Job
from headrace.model.timeline import Entry
from headrace.storage.moving import Hold, Kept, Row

_json = msgspec.json.Encoder()


class Census:
    """Counts rows in the order in which they are dumped. Records with a ttl count beside the others: between two looks
    one of them may lapse."""

    def __init__(self) -> None:
        self.jobs: Counter[str] = Counter()
        """By state."""
        self.keys = 0
        self.records: Counter[str] = Counter()
        """By kind; those that stay."""
        self.lapsing: Counter[str] = Counter()
        """By kind; those with a ttl."""
        self.entries: Counter[str] = Counter()
        """Of the timeline, by kind."""
        self._sum = blake2b(digest_size=16)

    @property
    def checksum(self) -> str:
        """Over all rows but those with a ttl, as they are: two stores that have the same hold the same."""
        return self._sum.hexdigest()

    @property
    def rows(self) -> int:
        """Of every kind."""
        return sum(self.jobs.values()) + self.keys + sum((self.records + self.lapsing + self.entries).values())

    def add(self, rows: Iterable[Row]) -> None:
        """These follow."""
        for row in rows:
            match row:
                case Job():
                    self.jobs[row.state] += 1
                case Hold():
                    self.keys += 1
                case Kept(lapses_in=None):
                    self.records[row.record.kind] += 1
                case Kept():
                    self.lapsing[row.record.kind] += 1
                    continue
                case Entry():
                    self.entries[row.kind] += 1
            self._sum.update(_json.encode(row))

    def difference(self, other: "Census") -> str | None:
        """What tells the other from this one, in words; None where they are alike."""
        for what, ours, theirs in (
            ("jobs", self.jobs, other.jobs),
            ("held keys", Counter(all=self.keys), Counter(all=other.keys)),
            ("records", self.records, other.records),
            ("entries of the timeline", self.entries, other.entries),
        ):
            for name in sorted(ours.keys() | theirs.keys()):
                if ours[name] != theirs[name]:
                    return f"{theirs[name]:,} {what} ({name}) instead of {ours[name]:,}"
        return None if self.checksum == other.checksum else "as many rows of each kind, but not the same ones"
