"""Where a journal is kept."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from headrace.model.errors import StoreError, StoreOwned
from headrace.model.ownership import Owner
from headrace.model.time_words import instant_words
from headrace.storage.contract import Capabilities

FORMAT = 1
"""What this version writes, and the newest that it reads."""


class Head(msgspec.Struct, frozen=True):
    """What stands beside the entries. Entries have consecutive numbers."""

    format: int
    first: int
    """The number of the oldest entry."""
    next: int
    """The number of the next one."""
    owner: Owner | None
    """None: the last owner left."""


def belongs_to(head: Head | None, owner: Owner | None) -> bool:
    """Whether this owner has the shelf, whenever it was last seen. None has none."""
    return head is not None and head.owner is not None and owner is not None and head.owner.token == owner.token


class Fenced(StoreError):
    """Another process has become the owner, or was about to. Never reaches users: they are told who it is."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} was opened for writing by another process")


def owned_by(where: str, owner: Owner) -> StoreOwned:
    """What others are told of an owner."""
    return StoreOwned(where, owner.host, owner.pid, instant_words(owner.since), owner.lease)


class Shelf(Protocol):
    """One journal. All calls come from one event loop, one after another.

    A write is atomic, and has been done as durably as declared when it returns. StoreUnreachable where that can be
    tried again; other errors of a store where it can't.
    """

    @property
    def where(self) -> str:
        """Its name for people, without secrets. The same journal has the same name within a process."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """As of a storage."""
        ...

    async def look(self) -> Head | None:
        """What stands there now; None where there is nothing. Changes nothing. Refuses what is no journal of ours."""
        ...

    def read(self) -> AsyncIterator[tuple[int, bytes]]:
        """The entries of the head that stands there at that moment, oldest first. CorruptStore where one is missing."""
        ...

    async def take(self, seen: Head | None, head: Head) -> bool:
        """Writes ``head`` and keeps all others from writing, where still ``seen`` stands there; else False, as
        where another comes between."""
        ...

    async def write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        """Adds entries, removes those below ``head.first``, and replaces the head. Fenced where another process has
        taken the journal. Where it was not answered, or that process has not taken it after all, the same call comes
        again until it is."""
        ...

    async def close(self) -> None:
        """Let go. Idempotent."""
        ...
