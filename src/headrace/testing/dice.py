"""Chances from a seed: the same ones at every run."""

from collections.abc import Sequence
from typing import TypeVar

from headrace.system.ids import Entropy, jitter_source

T = TypeVar("T")


class Dice:
    """All that is drawn, from one seed. Each part that draws has dice of its own, by name, so that one that draws more
    changes nothing for the others."""

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self.entropy: Entropy = jitter_source(seed)

    def of(self, name: str) -> "Dice":
        """The dice of one part."""
        return Dice(f"{self._seed}/{name}")

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self.entropy() < probability

    def between(self, low: float, high: float) -> float:
        """A number from low up to high."""
        return low + (high - low) * self.entropy()

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int((high - low + 1) * self.entropy())

    def pick(self, choices: Sequence[T]) -> T:
        """One of these."""
        return choices[int(len(choices) * self.entropy())]
