"""What holds for a whole history, and so for every part of it that is looked at."""

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """How far its records can be trusted, and what they tell about themselves."""

    exact: bool = False
    """Whether the list is in the order in which things happened, each at its instant, and nothing is missing."""
    patience: int | None = None
    """Milliseconds after Healed, or after it is due, in which a job must end; None: at the end it must have."""
    budget: int = 3
    """Crashes after which a job that crashes alone is dead."""
    asks: bool = False
    """Whether producers say what they ask for."""
    removed: int = 0
    """How many jobs retention removed."""
    fires: bool = False
    """Whether there are schedules, whose jobs nobody asks for by id."""
    telling: frozenset[str] = frozenset()
    """Tasks whose handlers say when they end."""
    steady: bool = True
    """Whether due times are on the clock of ``at``."""

    @property
    def slack(self) -> int:
        """Milliseconds by which instants that two processes wrote may be wrong against each other."""
        return 0 if self.exact else 20
