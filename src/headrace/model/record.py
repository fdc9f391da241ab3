"""Small named records: queue control, leases, schedule cursors, rate buckets, user KV. Changed by compare-and-set."""

from enum import StrEnum

import msgspec


class Expect(StrEnum):
    """What a put asks of the version that is there."""

    ABSENT = "absent"
    ANY = "any"


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as stored."""

    kind: str
    name: str
    value: str
    """JSON text."""
    version: int
    """Rises at every put. A record that lapsed or was removed starts again at 1."""


class Put(msgspec.Struct, frozen=True, gc=False):
    """One compare-and-set."""

    kind: str
    name: str
    value: str | None
    """JSON text; None removes the record."""
    expect: int | Expect = Expect.ANY
    """The version that must be there, or ABSENT, or ANY."""
    ttl: float | None = None
    """Seconds after which the record counts as absent; None: never."""


class QueueControl(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of kind ``queue``: what every claim of that queue obeys, and how long its jobs are kept."""

    concurrency: int | None = None
    """The ceiling: most jobs running at once, over all workers."""
    paused: bool = False
    cools_until: int | None = None
    """Gives no job before this instant, milliseconds since 1970 UTC: an upstream asked for a rest."""
    unlimited: bool = False
    """An operator wants no ceiling, whatever the app declares."""
    retention: dict[str, float] | None = None
    """Seconds that final jobs are kept, by state; states left out go by the app's rule. None: nobody said anything."""

    def rests(self, now: int) -> bool:
        """Whether it gives no job at this instant, whatever waits."""
        return self.paused or (self.cools_until is not None and now < self.cools_until)


def completed(there: QueueControl, declared: QueueControl) -> QueueControl:
    """What an app declares of a queue counts where nothing is said yet: an operator's word stands."""
    silent = there.concurrency is None and not there.unlimited
    return msgspec.structs.replace(
        there,
        concurrency=declared.concurrency if silent else there.concurrency,
        retention=declared.retention if there.retention is None else there.retention,
    )


def amend(value: str | None, before: QueueControl, after: QueueControl) -> str:
    """The text of a QueueControl, once what differs is changed. All else stays, fields of a newer version too."""
    fields = {} if value is None else msgspec.json.decode(value, type=dict[str, object])
    for field in QueueControl.__struct_fields__:
        if getattr(after, field) != getattr(before, field):
            fields[field] = getattr(after, field)
    return msgspec.json.encode(fields).decode()


QUEUE = "queue"
"""The kind of queue control records; their name is the queue's."""
LEASE = "lease"
"""The kind of leader leases."""
SCHEDULE = "schedule"
"""The kind of schedules; their name is the schedule's."""
LIMIT = "limit"
"""The kind of rate buckets; their name is the limit's."""
WORKER = "worker"
"""The kind of what workers tell of themselves; their name is the worker's id."""
KV = "kv"
"""The kind of users' own records."""
MARK = "mark"
"""The kind of the one record that is the mark of a move."""
