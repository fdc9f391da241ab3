"""Merges what each worker tells of a minute into one account of it, for each queue."""

from collections.abc import AsyncIterator, Mapping

import msgspec

from headrace.model.metric import OTHER, Activity, merged_by_queue
from headrace.model.timeline import Entry
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
            changed += _differing(at, merged_by_queue(by_queue, known), there)
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


def _differing(at: int, accounts: Mapping[str, Activity], there: Mapping[str, str]) -> list[Entry]:
    entries = [
        Entry(_id(at, queue), BUCKET, queue, at, msgspec.json.encode(account).decode())
        for queue, account in accounts.items()
    ]
    return [entry for entry in entries if there.get(entry.id) != entry.value]
