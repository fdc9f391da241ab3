"""Whoever kills, holds and stops processes, and steps the clock."""

import asyncio
from collections.abc import Callable

from headrace.testing.dice import Dice
from headrace.testing.history.records import Healed, Stopped
from headrace.testing.simulation.cluster import Cluster
from headrace.testing.simulation.processes import Process

_STEPS = (1.0, 4.0, 60.0, 3600.0)
"""Seconds, back or forth."""


class Nemesis:
    """One for a simulation."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._furthest = 0
        """Milliseconds by which the store's clock was ahead, at most."""
        options = cluster.options
        self._tasks = [
            cluster.loop.create_task(self._strike(each, strike))
            for each, strike in (
                (options.kill_each, self._kill),
                (options.hold_each, self._hold),
                (options.stop_each, self._stop),
                (options.step_each, self._step),
            )
            if each
        ]

    def heal(self) -> None:
        """From now on nothing befalls anybody."""
        for task in self._tasks:
            task.cancel()
        cluster = self._cluster
        cluster.weather.clear()
        behind = self._furthest - cluster.ahead()
        cluster.clock.step_wall(behind / 1000)  # else what was due then would wait that much longer
        for process in cluster.processes.values():
            process.go_on()
        cluster.witness.write(Healed(at=cluster.witness.now, process="nemesis"))

    async def _strike(self, each: float, strike: Callable[[Process, Dice], None]) -> None:
        cluster, dice = self._cluster, self._cluster.dice.of(strike.__name__)
        while True:
            await cluster.clock.sleep(dice.between(0, 2 * each))
            process = cluster.processes[dice.pick(sorted(cluster.processes))]
            if process.alive and process.held_since is None:
                strike(process, dice)

    def _kill(self, process: Process, _: Dice) -> None:
        process.kill()

    def _hold(self, process: Process, dice: Dice) -> None:
        cluster = self._cluster
        length = dice.between(0, 3 * cluster.options.lease)
        process.hold()
        cluster.witness.write(Stopped(at=cluster.witness.now, process=process.name, for_=round(length * 1000)))
        asyncio.get_running_loop().call_later(length, process.go_on)

    def _stop(self, process: Process, _: Dice) -> None:
        self._cluster.stop(process)

    def _step(self, _: Process, dice: Dice) -> None:
        self._cluster.clock.step_wall(dice.pick((-1, 1)) * dice.pick(_STEPS))
        self._furthest = max(self._furthest, self._cluster.ahead())
