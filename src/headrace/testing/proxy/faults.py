"""What can be wrong with one direction of one connection."""

from enum import StrEnum

import msgspec


class Direction(StrEnum):
    """Where bytes are going."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


BOTH = (Direction.TO_SERVER, Direction.TO_CLIENT)


class On(StrEnum):
    """Which connections a fault befalls."""

    ALL = "all"
    EXISTING = "existing"
    NEW = "new"


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Those of one direction. As they are made: a good network."""

    latency: float = 0.0
    """Seconds that everything takes."""
    jitter: float = 0.0
    """Seconds that it takes beyond that, at most; nothing overtakes."""
    bytes_per_second: float | None = None
    cut_after: int | None = None
    """How many more bytes arrive before the connection is cut."""
    swallows: bool = False
    """Nothing arrives, not even that the other side is gone."""


GOOD = Conditions()
