"""The loop of simulations: strands keep their order, killed ones end without a word, held ones go on later."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from headrace.testing.clock import NothingCanHappen, VirtualClock
from headrace.testing.dice import Dice
from headrace.testing.simulation.loop import SimulationLoop
from headrace.testing.simulation.processes import PROCESS, Process, SimulatedSpawn


class Ground:
    """A loop, and processes on it."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = SimulationLoop(Dice(seed).entropy)
        self.killed: list[str] = []
        self.heard: list[str] = []

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(main)

    def process(self, name: str) -> Process:
        return Process(self.loop, name, lambda process: self.killed.append(process.name))

    def close(self) -> None:
        self.loop.bury()
        self.loop.close()


@pytest.fixture
def ground() -> Iterator[Ground]:
    ground = Ground()
    yield ground
    ground.close()


async def _count(ground: Ground, name: str, times: int) -> None:
    for number in range(times):
        ground.heard.append(f"{name}{number}")
        await asyncio.tasks.sleep(0)


def test_time_passes_when_nothing_is_ready(ground: Ground) -> None:
    async def main() -> float:
        clock = VirtualClock()
        before = clock.monotonic()
        await clock.sleep(3600)
        return clock.monotonic() - before

    assert ground.run(main()) == pytest.approx(3600, abs=0.01)


def test_what_waits_for_nothing_is_an_error(ground: Ground) -> None:
    async def main() -> None:
        await ground.loop.create_future()

    with pytest.raises(NothingCanHappen):
        ground.run(main())


def test_one_strand_keeps_its_order_and_several_are_mixed() -> None:
    orders: set[str] = set()
    for seed in range(20):
        ground = Ground(seed)

        async def main(ground: Ground = ground) -> None:
            processes = [ground.process(name) for name in "ab"]
            for process in processes:
                process.run(_count(ground, process.name, 5))
            await asyncio.gather(*(process.ended for process in processes))

        ground.run(main())
        ground.close()
        for name in "ab":
            assert [word for word in ground.heard if word[0] == name] == [f"{name}{number}" for number in range(5)]
        orders.add(" ".join(ground.heard))
    assert len(orders) > 10


def test_the_same_seed_gives_the_same_order() -> None:
    def heard(seed: int) -> list[str]:
        ground = Ground(seed)

        async def main() -> None:
            processes = [ground.process(name) for name in "abc"]
            for process in processes:
                process.run(_count(ground, process.name, 10))
            await asyncio.gather(*(process.ended for process in processes))

        ground.run(main())
        ground.close()
        return ground.heard

    assert heard(7) == heard(7)
    assert heard(7) != heard(8)


def test_a_killed_process_cleans_nothing_up(ground: Ground) -> None:
    async def victim() -> None:
        try:
            await VirtualClock().sleep(10)
            ground.heard.append("woke")
        finally:
            ground.heard.append("cleaned up")

    async def main() -> None:
        process = ground.process("victim")
        process.run(victim())
        await VirtualClock().sleep(1)
        process.kill()
        await process.ended
        await VirtualClock().sleep(100)
        assert not process.alive

    ground.run(main())
    assert ground.heard == []
    assert ground.killed == ["victim"]


def test_killed_threads_of_a_process_end_with_it(ground: Ground) -> None:
    async def heart() -> None:
        while True:
            await VirtualClock().sleep(1)
            ground.heard.append("beat")

    async def victim() -> None:
        hosted = SimulatedSpawn().host("heart", heart)
        await VirtualClock().sleep(2.5)
        PROCESS.get().kill()
        await hosted.join()

    async def main() -> None:
        process = ground.process("victim")
        process.run(victim())
        await VirtualClock().sleep(10)

    ground.run(main())
    assert ground.heard == ["beat", "beat"]


def test_a_held_process_goes_on_where_it_was(ground: Ground) -> None:
    async def worker() -> None:
        clock = VirtualClock()
        for _ in range(3):
            await clock.sleep(1)
            ground.heard.append(f"{clock.monotonic():.0f}")

    async def main() -> None:
        clock = VirtualClock()
        process = ground.process("worker")
        process.run(worker())
        await clock.sleep(1.5)
        process.hold()
        await clock.sleep(10)
        process.go_on()
        await process.ended

    ground.run(main())
    assert ground.heard == ["1001", "1012", "1013"]  # what fell due meanwhile comes at once


def test_a_blocked_loop_leaves_the_other_threads_alone(ground: Ground) -> None:
    async def heart() -> None:
        for _ in range(5):
            await VirtualClock().sleep(1)
            ground.heard.append("beat")

    async def program() -> None:
        hosted = SimulatedSpawn().host("heart", heart)
        PROCESS.get().block(3.5)
        await asyncio.tasks.sleep(0)
        ground.heard.append("unblocked")
        await hosted.join()

    async def main() -> None:
        process = ground.process("program")
        process.run(program())
        await process.ended

    ground.run(main())
    assert ground.heard == ["beat", "beat", "beat", "unblocked", "beat", "beat"]


def test_what_a_process_raises_is_kept(ground: Ground) -> None:
    async def fails() -> None:
        raise ValueError("nobody took this")

    async def main() -> None:
        process = ground.process("program")
        process.run(fails())
        await process.ended

    ground.run(main())
    assert [str(error) for error in ground.loop.failures] == ["nobody took this"]
