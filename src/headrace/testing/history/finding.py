"""What a family of checks reports, before it is cut down to what shows it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from headrace.testing.history.index import Index
from headrace.testing.history.verdict import Kind


class Finding(NamedTuple):
    """A violation, and where to look."""

    kind: Kind
    what: str
    jobs: tuple[str, ...]
    """The jobs that it is about: of records about several jobs only these are shown."""
    places: tuple[int, ...]
    """Records in which it can be seen."""


Family = Callable[[Index], Iterable[Finding]]
"""Checks of one sort. What it says of a part of a history it must say in the same words of the whole."""
