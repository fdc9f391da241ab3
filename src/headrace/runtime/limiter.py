"""Permits of limits, from buckets in the storage that all workers share. Every change is a compare-and-set."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from headrace.model import rate
from headrace.model.errors import PutLost, UnknownLimit
from headrace.model.outcome import Throttled
from headrace.model.rate import Bucket
from headrace.model.record import LIMIT, Put, Record
from headrace.runtime.coalescer import Coalescer
from headrace.storage.contract import Storage
from headrace.system.clock import Clock

T = TypeVar("T")

_TRIES = 30
"""Each time that this worker loses the race for a bucket another one wins it: so many in a row are a crowd."""
_PATIENCE = 1.0
"""Seconds that ``acquire`` waits for a permit, at most: its handler holds a slot meanwhile."""

_LEAST_WAIT = 0.001

_decode = msgspec.json.Decoder(Bucket).decode


class Grant(msgspec.Struct, frozen=True):
    """What came of asking for permits."""

    number: int
    bucket: Bucket
    """Afterwards, as far as known."""
    now: int
    """The storage's clock when it was so."""
    before: int = 0
    """How many others of this process were refused just before."""

    def wait_for(self, place: int = 1) -> float:
        """Seconds until the ``place``-th next permit is free."""
        return max(0, rate.next_free(self.bucket, self.now, self.before + place) - self.now) / 1000


_Coalescer = Coalescer[int, asyncio.Future[Grant], Grant]


class Limiter:
    """One for a worker, on its loop."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self.loop = asyncio.get_running_loop()
        self._counters: dict[str, _Coalescer] = {}

    async def buy(self, name: str, wanted: int) -> Grant:
        """As many permits as there are, at most ``wanted``, or UnknownLimit. Whoever else asks here meanwhile is
        served in the same step."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Coalescer(partial(self._buy, name), _deliver, _fail)
        future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        counter.add(wanted, future)
        return await future

    async def _buy(self, name: str, orders: Sequence[int]) -> Sequence[Grant]:
        bought, bucket, now = await self._change(name, partial(_take, wanted=sum(orders)))
        grants: list[Grant] = []
        left, refused = bought or 0, 0
        for wanted in orders:
            number = min(wanted, left)
            grants.append(Grant(number, bucket, now, refused))
            left, refused = left - number, refused + wanted - number
        return grants

    async def give_back(self, name: str, unused: int) -> None:
        """Permits that were bought and not used."""
        await self._change(name, lambda bucket, now: (rate.give_back(bucket, unused, now), None))

    async def drain(self, name: str, rest: float) -> None:
        """No permit for anybody within ``rest`` seconds, or UnknownLimit."""
        until = await self._storage.now() + round(rest * 1000)
        done, _, _ = await self._change(name, partial(_close, until=until))
        if done is None:
            raise PutLost(LIMIT, name)

    async def acquire(self, name: str) -> None:
        """One permit, waited for at most a second; else Throttled, for as long as the next one takes."""
        deadline = self._clock.monotonic() + _PATIENCE
        while True:
            grant = await self.buy(name, 1)
            if grant.number:
                return
            wait = max(_LEAST_WAIT, grant.wait_for())
            if self._clock.monotonic() + wait > deadline:
                raise Throttled(wait)
            await self._clock.sleep(wait)

    async def _change(
        self, name: str, decide: Callable[[Bucket, int], tuple[Bucket, T]]
    ) -> tuple[T | None, Bucket, int]:
        """What ``decide`` answered, the bucket and the moment; no answer where others were faster again and again."""
        tries = _TRIES
        while True:
            record = await self._look_up(name)
            now = await self._storage.now()  # after the look: an older moment would be a clock that steps back
            bucket = _decode(record.value)
            changed, answer = decide(bucket, now)
            if changed == bucket:
                return answer, bucket, now
            value = msgspec.json.encode(changed).decode()
            if (await self._storage.put([Put(LIMIT, name, value, record.version)]))[0]:
                return answer, changed, now
            tries -= 1
            if not tries:
                return None, bucket, now

    async def _look_up(self, name: str) -> Record:
        found = await self._storage.records(LIMIT, names=[name])
        if not found:
            raise UnknownLimit(name)
        return found[0]


def _take(bucket: Bucket, now: int, *, wanted: int) -> tuple[Bucket, int]:
    """Where none is to be had the record stays as it is: filling up is no change."""
    after, granted = rate.take(bucket, wanted, now)
    return (after if granted else bucket), granted


def _close(bucket: Bucket, now: int, *, until: int) -> tuple[Bucket, bool]:
    """A bucket that is closed long enough stays as it is: a hundred handlers meet the same answer at once."""
    return (bucket if bucket.closed_until >= until else rate.drain(bucket, now, until - now)), True


def _deliver(futures: "Sequence[asyncio.Future[Grant]]", grants: Sequence[Grant]) -> None:
    for future, grant in zip(futures, grants, strict=True):
        if not future.done():
            future.set_result(grant)


def _fail(futures: "Sequence[asyncio.Future[Grant]]", error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
