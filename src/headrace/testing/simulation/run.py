"""One simulation, from its options to its verdict."""

import gc
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from headrace.testing.dice import Dice
from headrace.testing.history.checker import check
from headrace.testing.history.records import AnyRecord
from headrace.testing.history.verdict import Kind, Verdict
from headrace.testing.simulation.cluster import Cluster, Report
from headrace.testing.simulation.course import live
from headrace.testing.simulation.loop import SimulationLoop
from headrace.testing.simulation.options import Options


class Outcome(msgspec.Struct, frozen=True):
    """What came of a simulation."""

    options: Options
    verdict: Verdict
    history: Sequence[AnyRecord]
    reports: Sequence[Report]
    """Errors that something survived: they are part of what is simulated."""
    failures: Sequence[BaseException]
    """Errors that nobody took: none is allowed."""
    seconds: float
    """Of virtual time."""
    calls: int
    """On the store."""

    @property
    def is_good(self) -> bool:
        """Nothing happened that may not."""
        return self.verdict.is_good and not self.failures


def simulate(options: Options) -> Outcome:
    """The same options bring the same outcome."""
    loop = SimulationLoop(Dice(options.seed).of("order").entropy)
    began = loop.time()
    collects = gc.isenabled()
    gc.disable()  # a third of the time; and what a collector finds may not decide what happens
    try:
        cluster, history = loop.run_until_complete(_live(options))
    finally:
        loop.bury()  # what was killed is not to be cancelled: it would clean up
        loop.close()
        if collects:
            gc.enable()
    return Outcome(
        options=options,
        verdict=_judge(options, history),
        history=history,
        reports=cluster.reports,
        failures=loop.failures,
        seconds=loop.time() - began,
        calls=cluster.server.calls,
    )


def _judge(options: Options, history: Sequence[AnyRecord]) -> Verdict:
    verdict = check(history, exact=True)
    if not options.step_each:
        return verdict
    # a clock that was stepped changes what is due, and what comes first: by then the records of due times mean others
    return replace(verdict, violations=[found for found in verdict.violations if found.kind not in _ABOUT_DUE_TIMES])


_ABOUT_DUE_TIMES = frozenset({Kind.EARLY_START, Kind.INVERSION})


async def _live(options: Options) -> tuple[Cluster, Sequence[AnyRecord]]:
    cluster = Cluster(options)
    return cluster, await live(cluster)
