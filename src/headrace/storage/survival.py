"""What an acknowledged job survives. The docs, ``headrace doctor`` and the tests of each rung have it from here."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec


class Fate(StrEnum):
    """What becomes of acknowledged jobs."""

    KEPT = "kept"
    """All of them are there."""
    LAST = "last"
    """The last ones may be gone."""
    LOST = "lost"
    """All of them may be gone."""


class Survival(msgspec.Struct, frozen=True, kw_only=True):
    """The fate of acknowledged jobs in each event: a ladder, each rung worse than the one before."""

    acknowledged: str
    """What is so once the caller has been answered: the end of a sentence that begins with ``it is``."""
    handler: Fate = Fate.KEPT
    """A handler raises, or what it does fails."""
    end: Fate = Fate.KEPT
    """The program ends, with its app closed or not."""
    kill: Fate = Fate.KEPT
    """The process is killed, by SIGKILL for instance."""
    power: Fate = Fate.KEPT
    """The machine loses its power, or its kernel stops."""
    machine: Fate = Fate.LOST
    """The machine on which jobs are run is gone, and its disk with it."""
    window: float = 0.0
    """Seconds before the event from which on jobs may be gone, where only the last ones may; 0: it has no bound."""
    provided: str = ""
    """On what all this rests: the end of a sentence that begins with ``as long as``."""
    but: str = ""
    """What else must be known. A whole sentence."""

    def of(self, fate: Fate) -> Sequence[str]:
        """The events in which this becomes of them, in words."""
        return [words for name, words in EVENTS.items() if getattr(self, name) is fate]

    @property
    def last_ones(self) -> str:
        """What may be gone where only the last ones may."""
        return f"what was acknowledged in the last {self.window:g} s" if self.window else "the last ones"

    @property
    def promise(self) -> str:
        """All of it, for people."""
        told = "; ".join(self._parts()) + "."
        return f"{told} {self.but}" if self.but else told

    def _parts(self) -> Iterator[str]:
        provided = f", as long as {self.provided}" if self.provided else ""
        yield f"An acknowledged job survives {_listed(self.of(Fate.KEPT), 'and')}{provided}"
        if last := self.of(Fate.LAST):
            yield f"after {_listed(last, 'or')}, {self.last_ones} may be gone"
        if lost := self.of(Fate.LOST):
            yield f"it is not safe from {lost[0]}"


EVENTS = {
    "handler": "the failure of a handler",
    "end": "the end of the process",
    "kill": "a kill of the process",
    "power": "a loss of power",
    "machine": "the loss of the machine that it runs on",
}
"""What may happen, by the field that tells what becomes of jobs then."""


def _listed(words: Sequence[str], last: str) -> str:
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
