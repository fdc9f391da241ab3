"""Who may write to a store that only one process writes to, and when another may take it over."""

from collections.abc import Callable

import msgspec


class Owner(msgspec.Struct, frozen=True):
    """The process that writes."""

    token: str
    """Made afresh whenever a process becomes the owner: what an owner looks for to see whether it still is."""
    host: str
    boot_id: str
    pid: int
    born: int
    """When its process started, in the machine's own count: a pid is used again, the two together are not."""
    since: int
    """Milliseconds since 1970 UTC, as all instants here."""
    seen: int
    """When it last said that it lives."""
    lease: float
    """Seconds for which that counts."""


class Onlooker(msgspec.Struct, frozen=True):
    """The process that asks."""

    host: str
    boot_id: str
    pid: int
    now: int
    born: Callable[[int], int | None]
    """When the process of a pid on this machine started; None where there is none."""


def is_stale(owner: Owner, here: Onlooker) -> bool:
    """Whether who asks may take the store over: the owner's lease has run out, or it ran here and is gone, or it is
    who asks, and did not get to say that it left."""
    if owner.host == here.host and owner.boot_id == here.boot_id:
        born = here.born(owner.pid)
        if born != owner.born or owner.pid == here.pid:
            return True
    return here.now >= owner.seen + round(owner.lease * 1000)
