"""Limits as operators see and change them."""

import msgspec

from headrace.interface.config import check_count
from headrace.interface.core import Core
from headrace.interface.page import Page
from headrace.model.errors import InvalidOption, PutLost, UnknownLimit
from headrace.model.names import check_name
from headrace.model.rate import Bucket, change_rate, check_burst, filled, parse_rate, whole_tokens
from headrace.model.record import LIMIT, Put

_LARGEST_PAGE = 10_000
_TRIES = 100
"""Workers buy permits all the time: each of these tries loses only where another one wins."""

_decode = msgspec.json.Decoder(Bucket).decode


class Limit(msgspec.Struct, frozen=True):
    """One limit, as it is at this moment."""

    name: str
    rate: str
    burst: int
    """The most permits that are granted at once after a rest."""
    tokens: int
    """Permits to be had now."""
    closed_until: int | None
    """Nobody gets a permit before this instant, milliseconds since 1970 UTC; None where it is open."""


class Limits(Core):
    """Operations on limits."""

    async def alimits(self, *, limit: int = 50, after: str | None = None) -> Page[Limit]:
        """Limits by name, from above ``after`` on."""
        most = check_count("limit", limit, most=_LARGEST_PAGE)
        storage = (await self.here()).storage
        await self.declared_limits.write_late(storage)
        found = await storage.records(LIMIT, after=after, limit=most + 1)
        now = await storage.now()
        listed = [_seen(record.name, _decode(record.value), now) for record in found[:most]]
        return Page(listed, listed[-1].name if len(found) > most else None, "limits")

    async def aset_limit(self, name: str, *, rate: str | None = None, burst: int | None = None) -> None:
        """Change a limit for all workers, at once; what is not given stays. Stands until the app declares the limit
        otherwise than before. UnknownLimit where nobody declared it."""
        check_name("limit", name)
        if rate is None and burst is None:
            raise InvalidOption("rate", rate, "give rate= or burst=, or both")
        new_rate = None if rate is None else parse_rate(rate)
        new_burst = None if burst is None else check_burst(burst)
        storage = (await self.here()).storage
        await self.declared_limits.write_late(storage)
        for _ in range(_TRIES):
            found = await storage.records(LIMIT, names=[name])
            if not found:
                raise UnknownLimit(name)
            bucket = _decode(found[0].value)
            changed = change_rate(bucket, new_rate or bucket.rate, new_burst or bucket.burst, await storage.now())
            if (await storage.put([Put(LIMIT, name, msgspec.json.encode(changed).decode(), found[0].version)]))[0]:
                return
        raise PutLost(LIMIT, name)


def _seen(name: str, bucket: Bucket, now: int) -> Limit:
    bucket = filled(bucket, now)
    closed_until = bucket.closed_until if bucket.closed_until > bucket.at else None
    return Limit(name, str(bucket.rate), bucket.burst, whole_tokens(bucket, now), closed_until)
