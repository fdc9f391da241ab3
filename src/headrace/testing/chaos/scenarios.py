"""What may happen during a storm. A scenario is registered here by its name; ``--scenario NAME`` chooses it.

To write one: subclass Scenario, override what it needs, and add it to SCENARIOS. Its faults are drawn by weight among
those of the storm itself (kills, stops, terms), which every scenario keeps unless it changes ``weights``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from headrace.testing.dice import Dice
from headrace.testing.history.records import AnyRecord

if TYPE_CHECKING:
    from headrace.testing.chaos.fleet import Fleet
    from headrace.testing.chaos.storm import Storm


class Fault(msgspec.Struct, frozen=True):
    """One kind of harm."""

    name: str
    """Under which it is counted."""
    weight: float
    """How often it is drawn, beside the others."""
    strike: "Callable[[Storm], bool]"
    """Does it. False where it could not just now: nothing is counted, another is drawn."""


class Scenario:
    """The plain storm, and what others build on."""

    weights: Mapping[str, float] = {"kill": 100.0, "stop": 18.0, "terms": 14.0}
    """Of the storm's own faults: a kill -9 of one process or of several at once, a SIGSTOP longer than the lease, a
    SIGTERM or many."""
    workload: Mapping[str, str] = {}
    """What it wants of the workload: see ``workload.py``."""
    options: Mapping[str, str] = {}
    """Options of the app that it wants otherwise than ``workload.OPTIONS``."""

    def __init__(self, options: Mapping[str, str], dice: Dice) -> None:
        self.wishes, self.dice = options, dice
        """What ``--set name=value`` said, and chances of its own."""

    def prepare(self, fleet: "Fleet") -> None:
        """Before any process runs. The store will be in ``fleet.store``, an empty folder: it may be mounted upon."""

    def faults(self) -> Sequence[Fault]:
        """Its own, beside those of the storm."""
        return ()

    def heal(self, fleet: "Fleet") -> None:
        """The storm is over: from now on nothing fails. May be called again."""

    def judge(self, records: Sequence[AnyRecord]) -> Sequence[str]:  # noqa: ARG002 - for those who look
        """What it has to object, beyond what the checker says."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """What it adds to the counts of a run."""
        return {}

    def end(self, fleet: "Fleet") -> None:
        """After the last process, whatever happened: undo what ``prepare`` did. May be called without it."""


SCENARIOS: Mapping[str, type[Scenario]] = {"storm": Scenario}
