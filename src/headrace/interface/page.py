"""A part of a long list."""

from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


class Page(Sequence[T]):
    """A part of a list, in its order. ``next`` is what to pass as ``after`` for more; None at the end."""

    def __init__(self, items: Sequence[T], after: str | None, noun: str = "jobs") -> None:
        self._items, self.next, self._noun = tuple(items), after, noun

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Page of {len(self)} {self._noun}>"
