"""Statements of many rows in few fixed sizes, so that each is prepared once and a batch costs few steps."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_SIZES = (1000, 250, 64, 32, 16, 8, 4, 2, 1)
_PADDING = 9 / 8
"""A row too many costs a fraction of one more statement: a chunk may be filled up by an eighth of what is there."""


def chunked(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in chunks of the fixed sizes; the last one repeats its last row until it is full.

    For statements only to which a repeated row means nothing.
    """
    start, left = 0, len(rows)
    while left > 0:
        for size, smaller in zip(_SIZES, (*_SIZES[1:], 0), strict=True):
            if left >= size or (left * _PADDING > size and left > smaller):
                break
        chunk = rows[start : start + size]
        yield chunk if len(chunk) == size else [*chunk, *[chunk[-1]] * (size - len(chunk))]
        start, left = start + size, left - size


@cache
def many_rows(statement: str, row: Callable[[int], str], number: int) -> str:
    """The statement with ``{rows}`` filled in: so many rows of a VALUES clause, each made from its number."""
    return statement.replace("{rows}", ",".join(map(row, range(number))))
