"""What a worker tells of itself, for people and for the others on its store."""

import msgspec


class Presence(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of kind ``worker``, whose name is the worker's id."""

    label: str
    """For people; two workers may bear the same. Never an identity."""
    host: str
    pid: int
    version: str
    """Of headrace."""
    queues: dict[str, int] = {}
    """Its slots by queue: how many jobs of each it runs at once."""
    tasks: tuple[str, ...] = ()
    """The names of the tasks that it knows, sorted."""
    started_at: int = 0
    """Milliseconds since 1970 UTC, by the storage's clock."""
    lease: float = 0.0
    """Seconds that its lease lasts from each beat; 0 where it does not say."""
