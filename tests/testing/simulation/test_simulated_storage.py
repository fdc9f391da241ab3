"""The wire to a simulated store: refused calls do nothing, lost answers were done, the dead still send."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreUnreachable
from headrace.model.job import Job, NewJob
from headrace.storage.contract import Demand
from headrace.storage.memory.storage import MemoryStorage
from headrace.testing.clock import VirtualClock
from headrace.testing.dice import Dice
from headrace.testing.history.records import Granted, Leased
from headrace.testing.simulation.loop import SimulationLoop
from headrace.testing.simulation.processes import Process
from headrace.testing.simulation.storage import Server, SimulatedStorage
from headrace.testing.simulation.weather import CALM, Climate, Fate, Weather
from headrace.testing.simulation.witness import Witness

ID = "01890000-0000-7000-8000-000000000001"
NEW = NewJob(ID, "t", "q", "{}")


class Wire:
    """One process, its storage, and what is behind it."""

    def __init__(self, loop: SimulationLoop, climate: Climate) -> None:
        self.clock = VirtualClock()
        self.witness = Witness(self.clock.wall, lambda: 0)
        self.process = Process(loop, "p", lambda _: None)
        self.inner = MemoryStorage(self.clock)
        server = Server(loop, Weather(climate, Dice(1)), self.witness)
        self.storage = SimulatedStorage(self.inner.sibling(), self.process, server)

    async def row(self) -> Job | None:
        return (await self.inner.get([ID]))[0]


def on_wire(climate: Climate, test: Callable[[Wire], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        wire = Wire(loop, climate)
        await wire.inner.open()
        await wire.storage.open()
        await test(wire)

    loop = SimulationLoop(Dice(1).entropy)
    try:
        loop.run_until_complete(main())
    finally:
        loop.bury()
        loop.close()
    assert not loop.failures


def test_a_refused_call_does_nothing() -> None:
    async def test(wire: Wire) -> None:
        with pytest.raises(StoreUnreachable):
            await wire.storage.insert([NEW])
        assert await wire.row() is None

    on_wire(Climate(refused=1.0), test)


def test_a_call_whose_answer_is_lost_was_done() -> None:
    async def test(wire: Wire) -> None:
        with pytest.raises(EnqueueUnknown) as raised:
            await wire.storage.insert([NEW])
        assert raised.value.ids == (ID,)
        assert await wire.row() is not None
        with pytest.raises(AnswerLost):
            await wire.storage.beat("w", (), 30)
        with pytest.raises(AnswerLost):
            await wire.storage.claim("w", [Demand("q", 1)])
        job = await wire.row()
        assert job is not None
        assert job.worker == "w"
        assert [type(record) for record in wire.witness.records] == [Leased, Granted]

    on_wire(Climate(answer_lost=1.0), test)


def test_a_process_dies_before_its_call_or_after_it() -> None:
    weather = Weather(Climate(dies=1.0), Dice(3))
    fates = {weather.fate(0.0) for _ in range(50)}
    assert fates == {Fate.DIES_BEFORE, Fate.DIES_AFTER}

    async def test(wire: Wire) -> None:
        wire.process.run(_insert(wire))
        await wire.process.ended
        assert not wire.process.alive

    on_wire(Climate(dies=1.0), test)


async def _insert(wire: Wire) -> None:
    await wire.storage.insert([NEW])
    raise AssertionError("it should be dead")


def test_a_call_that_was_sent_is_done_though_its_caller_is_killed() -> None:
    async def test(wire: Wire) -> None:
        wire.process.run(_insert(wire))
        await wire.clock.sleep(0)
        while await wire.row() is None and wire.clock.monotonic() < 1_001:
            wire.process.kill()
            await wire.clock.sleep(0.01)
        assert await wire.row() is not None

    on_wire(Climate(usual=0.5), test)


def test_an_outage_refuses_all_calls_for_a_while() -> None:
    weather = Weather(Climate(outage_each=10, outage=5), Dice(2))
    fates = [weather.fate(second / 10) for second in range(1_000)]
    refused = [second for second, fate in enumerate(fates) if fate is Fate.REFUSED]
    assert 0 < len(refused) < 800
    assert any(later - earlier > 1 for earlier, later in itertools.pairwise(refused))
    weather.clear()
    assert weather.fate(101.0) is Fate.DONE


def test_deaf_listeners_hear_of_nothing_but_their_timeout() -> None:
    async def test(wire: Wire) -> None:
        listener = wire.storage.listen(["queue:q"])
        waiting = asyncio.ensure_future(listener.wait(5.0))
        await wire.storage.insert([NEW])
        assert await waiting is False
        listener.close()

    on_wire(Climate(deaf=1.0), test)


def test_in_calm_weather_listeners_hear() -> None:
    async def test(wire: Wire) -> None:
        listener = wire.storage.listen(["queue:q"])
        waiting = asyncio.ensure_future(listener.wait(5.0))
        await wire.storage.insert([NEW])
        assert await waiting is True
        listener.close()

    on_wire(CALM, test)
