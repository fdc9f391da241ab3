"""Operations as steps: they yield statements and get rows back, and don't care who talks to the server.

So one piece of code serves our own connections and the caller's own transaction, async or not.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

Row = Sequence[Any]
Rows = Sequence[Row]


class Statement(NamedTuple):
    """One round trip."""

    text: str
    """With ``$1`` for the first parameter, and ``{schema}`` for the schema."""
    parameters: tuple[object, ...] = ()


Steps = Generator[Statement, Rows, T]
"""What an operation is: it ends with its answer, or raises."""


class Contended(Exception):
    """Another transaction was faster at something that could not be locked: to be done anew from the beginning."""
