"""What holds in any cloud: imported by a module that supplies ``place``, an empty one, and ``server``."""

import signal
from collections.abc import AsyncIterator
from traceback import format_exception

import pytest
from lines import ids, insert, is_put

from headrace import Headrace
from headrace.model.errors import HeadraceError
from headrace.storage.contract import Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.testing.proxy import FaultProxy
from headrace.testing.proxy.http import HttpFaults
from headrace.testing.servers.azure import AzureServer
from headrace.testing.servers.gcs import GoogleServer
from other_process import Other, Refused


def at(url: str, patience: float = 20.0) -> Storage:
    """A handle, not opened yet."""
    return open_url(url, clock=SystemClock(), patience=patience)


async def kept(url: str) -> set[str]:
    """Ids of all jobs that the next owner finds."""
    storage = at(url)
    await storage.open()
    await insert(storage)
    found = await ids(storage)
    await storage.close()
    return found


async def refused(storage: Storage, kind: type[HeadraceError], *words: str, secret: str) -> None:
    """Whoever opens it, reads it or writes to it is told so in these words, and of no key, however it is shown."""
    with pytest.raises(HeadraceError) as caught:  # noqa: PT012 - at which of these is not the point
        await storage.open()
        await storage.count()
        await insert(storage)
    await storage.close()
    assert type(caught.value) is kind, caught.value
    for word in words:
        assert word in str(caught.value)
    assert "AWS" not in str(caught.value)
    assert secret not in "".join(format_exception(caught.value))


def shop(url: str, done: list[int]) -> Headrace:
    """An app with one task."""
    app = Headrace(url)

    @app.task(name="send")
    def send(parcel: int) -> str:
        done.append(parcel)
        return f"parcel {parcel} is on its way"

    return app


class TestOwners:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def proxy(
        self, server: AzureServer | GoogleServer, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[FaultProxy]:
        async with FaultProxy("127.0.0.1", server.port, speaks=HttpFaults().dialogue) as proxy:
            for name, value in server.environment(proxy.port).items():
                monkeypatch.setenv(name, value)
            yield proxy

    def test_jobs_are_found_run_and_finished_by_those_that_come_later(self, place: str) -> None:
        done: list[int] = []
        with shop(place, done) as producer:
            receipts = [producer.enqueue("send", {"parcel": number}) for number in range(3)]
        with shop(place, done) as worker:
            worker.run(until_idle=True)
        with shop(place, done) as later:
            later.run(until_idle=True)
            assert [later.result(receipt) for receipt in receipts] == [f"parcel {n} is on its way" for n in range(3)]
        assert sorted(done) == [0, 1, 2]

    def test_a_second_owner_may_look_and_not_write(self, place: str) -> None:
        with Other(place) as owner, Other(place) as second:
            inserted = owner.ask("insert", 2)
            with pytest.raises(Refused, match=f"^StoreOwned: .*owned by process {owner.pid} on"):
                second.ask("insert")
            assert set(second.ask("ids")) == set(inserted)
            assert set(owner.ask("ids")) == set(inserted)

    def test_the_fenced_owner_is_told_and_writes_nothing_more(self, place: str) -> None:
        with Other(place) as owner, Other(f"{place}?takeover=1") as other:
            inserted = {*owner.ask("insert", 2), *other.ask("insert")}
            for name, kind in (("insert", "EnqueueUnknown"), ("insert", "StoreOwned"), ("ids", "StoreOwned")):
                with pytest.raises(Refused, match=f"^{kind}: .*owned by process {other.pid} on"):
                    owner.ask(name)
            inserted |= set(other.ask("insert"))
            assert set(other.ask("ids")) == inserted

    @pytest.mark.anyio
    async def test_a_killed_owner_is_followed_at_once_and_nothing_is_lost(self, place: str) -> None:
        with Other(f"{place}?lease=1h") as owner:
            inserted = {*owner.ask("insert", 5), *owner.ask("insert")}
            owner.begin("insert", 3)  # whether this is kept is not said
            owner.send(signal.SIGKILL)
            owner.kill()
        found = await kept(place)
        assert inserted <= found
        assert len(found - inserted) in (1, 4)
        assert found < await kept(place)

    def test_of_three_that_come_at_once_one_becomes_the_owner(self, place: str) -> None:
        with Other(place) as first, Other(place) as second, Other(place) as third:
            told: dict[Other, set[str]] = {}
            refusals: set[str] = set()
            for one in (first, second, third):
                one.begin("insert", 2)
            for one in (first, second, third):
                try:
                    told[one] = set(one.finish())
                except Refused as refusal:
                    refusals.add(refusal.name)
            assert refusals == {"StoreOwned"}
            ((owner, inserted),) = told.items()
            assert set(owner.ask("ids")) == inserted

    @pytest.mark.anyio
    async def test_a_write_whose_answer_was_lost_is_recognised(self, place: str, proxy: FaultProxy) -> None:
        storage = at(place)
        await storage.open()
        inserted = await insert(storage)
        proxy.drop_answers(is_put, times=5)
        for _ in range(3):
            inserted += await insert(storage, 2)
        assert await ids(storage) == set(inserted)
        await storage.close()
        assert set(inserted) < await kept(place)
