"""How a process becomes the owner of a shelf."""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from headrace.model.errors import SchemaTooNew, StoreError, StoreUnreachable
from headrace.model.ownership import Owner, is_stale
from headrace.storage.journal.shelf import FORMAT, Fenced, Head, Shelf, owned_by
from headrace.storage.journal.standing import onlooker
from headrace.system.clock import Clock
from headrace.system.ids import Ids
from headrace.system.machine import born_at, host_name

T = TypeVar("T")

_TRIES = 5
_FIRST_PAUSE = 0.2
"""Seconds between two of them."""


class Taken(msgspec.Struct, frozen=True):
    """A shelf that is ours."""

    head: Head
    after_kill: bool
    """Whether the owner before did not leave by itself."""


async def look(shelf: Shelf) -> Head | None:
    """What stands there; refuses what this version can't read."""
    head = await shelf.look()
    if head is not None and head.format > FORMAT:
        raise SchemaTooNew(shelf.where, head.format, FORMAT)
    return head


async def move_in(
    shelf: Shelf, clock: Clock, lease: float, takeover: bool, settle: Callable[[Taken], Awaitable[T]]
) -> T:
    """Takes the shelf, and what ``settle`` makes of it; StoreOwned where an owner lives. Where that fails, the shelf is
    left free. Several that come at once may keep each other from it: each leaves the others more time at each try."""
    for turn in range(_TRIES):
        with suppress(Fenced):
            taken = await _take(shelf, clock, lease, takeover)
            if taken is not None:
                return await _settled(shelf, taken, settle)
        await clock.sleep(_FIRST_PAUSE * 2**turn)
    raise StoreUnreachable(shelf.where, f"{_TRIES} times another process became its owner first")


async def _take(shelf: Shelf, clock: Clock, lease: float, takeover: bool) -> Taken | None:
    seen = await look(shelf)
    owner = None if seen is None else seen.owner
    if owner is not None and not takeover and not is_stale(owner, onlooker(clock)):
        raise owned_by(shelf.where, owner)
    first, following = (1, 1) if seen is None else (seen.first, seen.next)
    head = Head(FORMAT, first, following, _oneself(clock, lease))
    return Taken(head, owner is not None) if await shelf.take(seen, head) else None


async def _settled(shelf: Shelf, taken: Taken, settle: Callable[[Taken], Awaitable[T]]) -> T:
    try:
        return await settle(taken)
    except Fenced:
        raise
    except BaseException:
        with suppress(StoreError):
            await shelf.write([], msgspec.structs.replace(taken.head, owner=None))
        raise


def _oneself(clock: Clock, lease: float) -> Owner:
    now, pid = clock.wall(), os.getpid()
    return Owner(
        token=Ids(clock).new(),
        host=host_name(),
        boot_id=clock.boot_id(),
        pid=pid,
        born=born_at(pid) or 0,
        since=now,
        seen=now,
        lease=lease,
    )
