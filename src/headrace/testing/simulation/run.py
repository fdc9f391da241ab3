"""One simulation, from its options to its verdict."""

import gc
import sys
from collections.abc import Sequence
from traceback import format_exception

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
    failures: Sequence[str]
    """Errors that nobody took, with their tracebacks: none is allowed."""
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
    collects, told = gc.isenabled(), sys.unraisablehook
    gc.disable()  # a third of the time; and what a collector finds may not decide what happens
    try:
        return _simulate(options)
    finally:
        sys.unraisablehook = _tell_nothing_of_the_dead
        gc.collect(0)
        sys.unraisablehook = told
        if collects:
            gc.enable()


def _simulate(options: Options) -> Outcome:
    loop = SimulationLoop(Dice(options.seed).of("order").entropy)
    began = loop.time()
    try:
        cluster, history = loop.run_until_complete(_live(options))
        took = loop.time() - began
    finally:
        failures = ["".join(format_exception(error)) for error in loop.failures]
        loop.bury()
        loop.close()
    return Outcome(
        options=options,
        verdict=_judge(options, history),
        history=history,
        reports=cluster.reports,
        failures=failures,
        seconds=took,
        calls=cluster.server.calls,
    )


def _tell_nothing_of_the_dead(_: object) -> None:
    """What was killed was not cancelled, for it would clean up. It is let go of; what it says to that is not heard."""


def _judge(options: Options, history: Sequence[AnyRecord]) -> Verdict:
    verdict = check(history, exact=not options.journal)
    if not options.step_each:
        return verdict
    # a clock that was stepped changes what is due, and what comes first: by then the records of due times mean others
    return replace(verdict, violations=[found for found in verdict.violations if found.kind not in _ABOUT_DUE_TIMES])


_ABOUT_DUE_TIMES = frozenset({Kind.EARLY_START, Kind.INVERSION})


async def _live(options: Options) -> tuple[Cluster, Sequence[AnyRecord]]:
    cluster = Cluster(options)
    return cluster, await live(cluster)
