"""What befalls calls on the store: drawn for each, as often as the options say, until the weather clears."""

from enum import Enum

import msgspec

from headrace.testing.dice import Dice


class Fate(Enum):
    """What becomes of one call."""

    DONE = "done"
    REFUSED = "refused"
    """Fails before anything is done."""
    ANSWER_LOST = "answer lost"
    """Fails after it was done."""
    DIES_BEFORE = "dies before"
    """The calling process is killed before its call arrives."""
    DIES_AFTER = "dies after"
    """The calling process is killed once it was done."""


class Climate(msgspec.Struct, frozen=True, kw_only=True):
    """How often, of all calls, and how long."""

    refused: float = 0.0
    answer_lost: float = 0.0
    dies: float = 0.0
    slow: float = 0.0
    """Calls that take up to ``slowest`` seconds."""
    slowest: float = 0.0
    usual: float = 0.0
    """Seconds that a call takes each way, at most."""
    deaf: float = 0.0
    """Notices that are lost."""
    outage_each: float = 0.0
    """Seconds between outages, on average; 0: none."""
    outage: float = 0.0
    """Seconds that one lasts, at most."""


CALM = Climate()


class Weather:
    """One for a simulation."""

    def __init__(self, climate: Climate, dice: Dice) -> None:
        self._dice = dice
        self._set_in(climate)
        self._outage_at, self._outage_ends = self._next_outage(0.0)

    def _set_in(self, climate: Climate) -> None:
        self._climate = climate
        self.is_slow = bool(climate.slow or climate.usual)
        """Messages may be under way for some time."""
        self._shares = (
            (Fate.REFUSED, climate.refused),
            (Fate.ANSWER_LOST, climate.answer_lost),
            (Fate.DIES_BEFORE, climate.dies / 2),
            (Fate.DIES_AFTER, climate.dies / 2),
        )
        self._harm = sum(share for _, share in self._shares)

    def clear(self) -> None:
        """From now on nothing fails; calls take their usual time. Notices get lost as before: nothing may depend on
        them."""
        self._set_in(Climate(usual=self._climate.usual, deaf=self._climate.deaf))
        self._outage_at = self._outage_ends = float("inf")

    def fate(self, now: float) -> Fate:
        """Of a call made at this moment, in seconds of the simulation."""
        if self._outage_at <= now:
            if now < self._outage_ends:
                return Fate.REFUSED
            self._outage_at, self._outage_ends = self._next_outage(now)
        drawn = self._dice.entropy()
        if drawn >= self._harm:
            return Fate.DONE
        for fate, share in self._shares:
            if drawn < share:
                return fate
            drawn -= share
        return Fate.DONE

    def delay(self) -> float:
        """Seconds that a message is under way."""
        climate = self._climate
        if climate.slow and self._dice.chance(climate.slow):
            return self._dice.between(0, climate.slowest)
        return self._dice.between(0, climate.usual) if climate.usual else 0.0

    def is_deaf(self) -> bool:
        """Whether a notice is lost."""
        return bool(self._climate.deaf) and self._dice.chance(self._climate.deaf)

    def _next_outage(self, now: float) -> tuple[float, float]:
        if not self._climate.outage_each:
            return float("inf"), float("inf")
        begin = now + self._dice.between(0, 2 * self._climate.outage_each)
        return begin, begin + self._dice.between(0, self._climate.outage)
