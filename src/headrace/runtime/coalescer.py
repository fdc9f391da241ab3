"""Gathers what comes while one storage call is in flight into the next call. No timer: an idle storage is called
at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from headrace.runtime.loop import turn

MOST = 1000
"""Items in a call: fewer cost a busy storage calls, more make the first of them wait."""

Item = TypeVar("Item")
Owner = TypeVar("Owner")
Answer = TypeVar("Answer")


class Coalescer(Generic[Item, Owner, Answer]):
    """Owners hand in items; each owner is delivered the answer to its item."""

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        deliver: Callable[[Sequence[Owner], Sequence[Answer]], None],
        fail: Callable[[Sequence[Owner], BaseException], None],
    ) -> None:
        self._call, self._deliver, self._fail = call, deliver, fail
        self._items: list[Item] = []
        self._owners: list[Owner] = []
        self._draining: asyncio.Task[None] | None = None

    def add(self, item: Item, owner: Owner) -> None:
        """Hand in one item."""
        self._items.append(item)
        self._owners.append(owner)
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def flush(self) -> None:
        """Returns when all that was handed in is answered."""
        while self._draining is not None:
            await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        try:
            while self._items:
                items, owners = self._items, self._owners
                if len(items) > MOST:
                    self._items, self._owners = items[MOST:], owners[MOST:]
                    items, owners = items[:MOST], owners[:MOST]
                else:
                    self._items, self._owners = [], []
                await self._send(items, owners)
                await turn()  # whoever was answered may hand in the next item: it needs no new task then
        finally:
            self._draining = None

    async def _send(self, items: Sequence[Item], owners: Sequence[Owner]) -> None:
        try:
            answers = await self._call(items)
        except BaseException as error:
            self._fail(owners, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._deliver(owners, answers)
