"""Which jobs of a batch may start: each needs a permit of every limit that it names, or gets none of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec


class Assignment(msgspec.Struct, frozen=True):
    """What follows for one batch."""

    places: Sequence[Mapping[str, int] | None]
    """For each job: None where it may start, else its place, from 1, in the line of each limit that has no permit
    left for it."""
    unused: Mapping[str, int]
    """Permits that no job took."""


def assign(wanted: Sequence[Sequence[str]], in_hand: Mapping[str, int]) -> Assignment:
    """Hand permits out in the order of the jobs, whose limits ``wanted`` has."""
    left, waiting = Counter(in_hand), Counter[str]()
    places: list[Mapping[str, int] | None] = []
    for limits in wanted:
        lacking = [limit for limit in limits if left[limit] <= 0]
        if lacking:
            waiting.update(lacking)
            places.append({limit: waiting[limit] for limit in lacking})
        else:
            left.subtract(limits)
            places.append(None)
    return Assignment(places, {limit: number for limit, number in left.items() if number > 0})
