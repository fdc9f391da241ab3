"""What tests of limits share: a log of every permit that a bucket granted, and a count of what a storage was asked."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from headrace.model.rate import Bucket, Rate
from headrace.model.record import LIMIT, Put

COUNTED = ("apply", "claim", "leases", "next_due", "now", "put", "records")


class Permit(NamedTuple):
    """One change of a bucket."""

    at: int
    """Milliseconds, by the storage's clock."""
    number: int
    """Negative where permits were given back."""


class Watch:
    """Stands in a storage's way and writes down what passes."""

    def __init__(self, storage: Any, monkeypatch: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.changed_jobs = 0
        self.permits: dict[str, list[Permit]] = {}
        self._granted: dict[str, int] = {}
        self._put = storage.put
        for name in COUNTED:
            monkeypatch.setattr(storage, name, self._counting(name, getattr(storage, name)), raising=False)

    def _counting(self, name: str, call: Any) -> Any:
        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name if name != "records" else f"records of {args[0]}"] += 1
            answer = await call(*args, **kwargs)
            if name == "put":
                self._note(args[0], answer)
            if name == "apply":
                self.changed_jobs += len(args[0])
            return answer

        return counted

    def _note(self, puts: Sequence[Put], done: Sequence[bool]) -> None:
        for put, ok in zip(puts, done, strict=True):
            if ok and put.kind == LIMIT and put.value is not None:
                bucket = msgspec.json.decode(put.value, type=Bucket)
                number = bucket.granted - self._granted.get(put.name, 0)
                self._granted[put.name] = bucket.granted
                self.permits.setdefault(put.name, []).append(Permit(bucket.at, number))

    def granted(self, name: str) -> int:
        """Permits of this limit that are out, less those that came back."""
        return sum(permit.number for permit in self.permits.get(name, ()))


def excess(permits: Sequence[Permit], rate: Rate, burst: int) -> float:
    """By how many permits the worst of all windows is over what rate and burst allow: zero or less is fine."""
    worst, lowest, total = float("-inf"), float("inf"), 0
    for permit in permits:
        lowest = min(lowest, total * rate.period - rate.count * permit.at)
        total += permit.number
        worst = max(worst, total * rate.period - rate.count * permit.at - lowest)
    return worst / rate.period - burst
