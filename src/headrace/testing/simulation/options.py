"""What differs from simulation to simulation: drawn from the seed, and to be overridden one by one."""

import msgspec

from headrace.testing.dice import Dice
from headrace.testing.simulation.weather import CALM, Climate


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of virtual time, unless said otherwise."""

    seed: int
    minutes: float = 3.0
    """How long faults last and work comes in."""
    within: float = 1_800.0
    """How long afterwards all work may take."""
    workers: int = 3
    producers: int = 2
    operators: int = 1
    claimers: int = 0
    lease: float = 30.0
    poll: float = 1.0
    reap: float = 5.0
    slots: int = 4
    work_each: float = 1.0
    """Between two calls of a producer, on average."""
    climate: Climate = CALM
    kill_each: float = 0.0
    """Between two kills, on average; 0: none."""
    hold_each: float = 0.0
    """Between two holds, on average; 0: none. Each lasts up to three leases."""
    stop_each: float = 0.0
    """Between two orders to stop, on average; 0: none."""
    step_each: float = 0.0
    """Between two steps of the wall clock, on average, each up to an hour back or forth; 0: none."""
    poison: bool = False
    schedules: bool = True
    journal: bool = False
    """A storage of one process, which keeps a journal: all programs run in the process that owns it, and another stands
    by."""


def journaled(options: Options) -> Options:
    """The same on a storage of one process. Its clock is not stepped: it is the machine's own, and not a server's."""
    return msgspec.structs.replace(options, journal=True, workers=1, producers=1, step_each=0.0)


def drawn(seed: int) -> Options:
    """The options of this seed."""
    dice = Dice(seed).of("options")
    lease = dice.pick((3.0, 6.0, 30.0))
    rough = dice.chance(0.8)
    climate = Climate(
        refused=dice.pick((0.0, 0.0, 0.01, 0.1)),
        answer_lost=dice.pick((0.0, 0.0, 0.01, 0.05)),
        dies=dice.pick((0.0, 0.0, 0.0005)),
        slow=dice.pick((0.0, 0.01, 0.03)),
        slowest=dice.pick((0.5, lease / 2, lease * 1.5)),
        usual=dice.pick((0.0, 0.001, 0.02)),
        deaf=dice.pick((0.0, 0.2, 1.0)),
        outage_each=dice.pick((0.0, 0.0, 60.0)),
        outage=dice.pick((2.0, lease * 2)),
    )
    return Options(
        seed=seed,
        workers=dice.pick((1, 2, 2, 3, 5)),
        producers=dice.pick((1, 1, 2)),
        operators=dice.whole(0, 1),
        claimers=dice.whole(0, 1),
        lease=lease,
        poll=dice.pick((1.0, 2.0, 5.0)),
        reap=dice.pick((2.0, 5.0)),
        slots=dice.pick((1, 4, 10)),
        work_each=dice.pick((3.0, 6.0, 12.0)),
        climate=climate if rough else Climate(usual=0.001),
        kill_each=dice.pick((0.0, 10.0, 30.0)) if rough else 0.0,
        hold_each=dice.pick((0.0, 8.0, 30.0)) if rough else 0.0,
        stop_each=dice.pick((0.0, 30.0)),
        step_each=dice.pick((0.0, 0.0, 0.0, 60.0)) if rough else 0.0,
        poison=dice.chance(0.3),
    )
