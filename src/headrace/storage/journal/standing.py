"""What stands in a journal, for people: who owns it, and how large it is."""

import os

import msgspec

from headrace.model.ownership import Onlooker, Owner, is_stale
from headrace.storage.journal.shelf import Shelf
from headrace.system.clock import Clock
from headrace.system.machine import born_at, host_name


class Standing(msgspec.Struct, frozen=True):
    """At a moment."""

    format: int
    entries: int
    size: int
    """Bytes of all entries."""
    owner: Owner | None
    """None: the last owner left."""
    lives: bool
    """Whether that owner counts as alive: nobody may take the store over without being told to."""


def onlooker(clock: Clock) -> Onlooker:
    """This process, as one that asks who owns a store."""
    return Onlooker(host_name(), clock.boot_id(), os.getpid(), clock.wall(), born_at)


async def read_standing(shelf: Shelf, clock: Clock) -> Standing | None:
    """None where there is no journal yet. Changes nothing, whoever owns it."""
    head = await shelf.look()
    if head is None:
        return None
    sizes = [len(data) async for _, data in shelf.read()]
    owner = head.owner
    lives = owner is not None and not is_stale(owner, onlooker(clock))
    return Standing(head.format, len(sizes), sum(sizes), owner, lives)
