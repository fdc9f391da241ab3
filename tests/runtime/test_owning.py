"""A worker on a store that one process writes to: it waits for an owner that may be gone, and ends when fenced."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from stand import Stand

from headrace.model.errors import StoreOwned, StoreTaken
from headrace.runtime.owning import OwnerLives, become_owner
from headrace.storage.contract import Beat
from headrace.storage.memory import MemoryStorage
from headrace.system.clock import ManualClock

pytestmark = pytest.mark.anyio


class Owned:
    """A store of which another process is the owner, until a moment."""

    def __init__(self, clock: ManualClock, until: float, processes: str = "one") -> None:
        self._clock, self._until = clock, clock.monotonic() + until
        self.capabilities = replace(MemoryStorage().capabilities, processes=processes)
        self.asked: list[float] = []

    async def beat(self, worker: str, holding: Sequence[object], ttl: float) -> Beat:
        self.asked.append(self._clock.monotonic())
        if self._clock.monotonic() < self._until:
            raise StoreOwned("jobs", "elsewhere", 77, "now", 12.0)
        return Beat()


@pytest.mark.parametrize(("until", "lasts", "comes"), [(0, 0, True), (3.2, 4, True), (12, 12, True), (13, 12, False)])
async def test_a_living_owner_is_waited_for_as_long_as_it_may_be_silent(
    until: float, lasts: float, comes: bool
) -> None:
    clock = ManualClock()
    owned, reports = Owned(clock, until), list[BaseException]()
    begun = clock.monotonic()
    doing = become_owner("w", owned, 30.0, clock, lambda _, error: reports.append(error))  # type: ignore[arg-type]
    if comes:
        await doing
    else:
        with pytest.raises(StoreOwned, match="owned by process 77"):
            await doing
    assert clock.monotonic() - begun == pytest.approx(lasts)
    assert len(owned.asked) <= 14
    assert [type(error) for error in reports] == ([OwnerLives] if until else [])
    assert all("waits up to 12 s for that process to end or to fall silent" in str(error) for error in reports)


async def test_where_many_may_write_nobody_is_waited_for() -> None:
    owned = Owned(ManualClock(), 100, "many")
    await become_owner("w", owned, 30.0, ManualClock(), lambda *_: None)  # type: ignore[arg-type]
    assert owned.asked == []


@pytest.mark.parametrize(
    "error", [StoreOwned("jobs", "elsewhere", 77, "now", 30.0), StoreTaken("jobs", ", which has left since")]
)
async def test_a_worker_that_is_fenced_ends_and_says_so_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    @stand.app.task(name="t")
    async def quick() -> None: ...

    storage = await stand.storage()

    async def refuse(*_: object, **__: object) -> None:
        raise error

    async with stand.app.worker(["default"]) as worker:
        await stand.app.ajoin(await quick.aenqueue(), 10)
        for name in ("_write", "_read"):
            monkeypatch.setattr(type(storage), name, refuse)
        await stand.pass_time(120)
        with pytest.raises(type(error)):
            await worker.refusal.unless(asyncio.Event().wait())
    assert [type(told) for _, told in stand.reports].count(type(error)) == 1
