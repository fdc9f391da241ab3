"""Merges what each worker tells of a minute into one account of it, for each queue."""

from collections.abc import AsyncIterator

import msgspec

from headrace.model.metric import OTHER, Activity, merged, told_apart
from headrace.model.timeline import Entry
from headrace.runtime.loop import turn
from headrace.runtime.timeline import BUCKET, MINUTE, PART
from headrace.storage.contract import Span, Storage

AGAIN = 3
"""Minutes that are merged once more after each that ends: workers may write late."""
_BACK = 50
"""Minutes after which none is looked at any more: well before parts of it are pruned."""
_PAGE = 1_000
_LATE = 5.0
"""Seconds."""

_activity = msgspec.json.Decoder(Activity)


class Roller:
    """Two at once do no harm: the same parts make the same account."""

    def __init__(self, storage: Storage, back: int = _BACK) -> None:
        self._storage, self._back = storage, back
        self._reached = 0
        """The number of the minute from which on nothing was looked at yet."""
        self.rest = 0.0
        """Seconds until there may be more to do: until a minute has ended, and workers have told of it."""

    async def roll_once(self) -> int:
        """One bounded step, over three minutes that have ended: how many accounts it wrote or changed. Zero: it has
        reached the present one."""
        now = await self._storage.now()
        present = now // MINUTE
        self.rest = (MINUTE - now % MINUTE) / 1000 + _LATE
        oldest = max(min(self._reached, present - AGAIN), present - self._back)
        newest = min(oldest + AGAIN, present)
        written = await self._roll(oldest, newest)
        self._reached = newest
        return written or int(newest < present)

    async def _roll(self, oldest: int, newest: int) -> int:
        found: dict[int, dict[str, list[Activity]]] = {}
        async for entry in self._entries(PART, oldest, newest):
            found.setdefault(entry.at, {}).setdefault(entry.queue, []).append(_activity.decode(entry.value))
        if not found:
            return 0
        there = {entry.id: entry.value async for entry in self._entries(BUCKET, oldest, newest)}
        changed: list[Entry] = []
        for at, by_queue in found.items():
            known = {queue for queue in by_queue if _id(at, queue) in there and queue != OTHER}
            for queue, parts in told_apart(by_queue, known).items():
                entry = _account(at, queue, merged(parts))
                if there.get(entry.id) != entry.value:
                    changed.append(entry)
                await turn()  # a thousand of them take a while, and handlers run on this loop
        if changed:
            await self._storage.record(changed)
        return len(changed)

    async def _entries(self, kind: str, oldest: int, newest: int) -> AsyncIterator[Entry]:
        span, after = Span(kind, since=oldest * MINUTE, until=newest * MINUTE), None
        while True:
            page = await self._storage.history(span, limit=_PAGE, after=after)
            for entry in page.entries:
                yield entry
            after = page.next
            if after is None:
                return


def _id(at: int, queue: str) -> str:
    return f"{BUCKET}:{at // MINUTE}:{queue}"


def _account(at: int, queue: str, activity: Activity) -> Entry:
    return Entry(_id(at, queue), BUCKET, queue, at, msgspec.json.encode(activity).decode())
