"""How long to wait between tries to reach a server: longer each time, and never in step with others."""

from headrace.system.ids import Entropy

_FIRST, _LONGEST = 0.1, 2.0
"""Seconds."""
_DOUBLINGS = 10


def pause(failures: int, entropy: Entropy) -> float:
    """Seconds after so many failures in a row: between a half and one and a half of a growing delay."""
    delay = min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, _DOUBLINGS))
    return delay * (0.5 + entropy())
