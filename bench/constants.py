"""What the constants of batches and slices are worth: the same work with a quarter and with four times of each.

All values take turns in one process, so that whatever else the machine does falls on all of them alike.
"""

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from bench.drain import drain
from bench.enqueue import callers, rate
from bench.setting import MEMORY, SQLITE, Figure, store
from headrace.runtime import coalescer, lanes, producer
from headrace.storage.sqlite import writer

_ROUNDS = 3
_JOBS = {MEMORY: 40_000, SQLITE: 20_000}
_TIMES = (0.25, 1.0, 4.0)


@dataclass(frozen=True)
class Constant:
    """A number in a module."""

    module: ModuleType
    name: str

    @contextmanager
    def times(self, factor: float) -> Iterator[None]:
        """It is so many times what it is."""
        usual = getattr(self.module, self.name)
        setattr(self.module, self.name, type(usual)(usual * factor))
        try:
            yield
        finally:
            setattr(self.module, self.name, usual)

    def __str__(self) -> str:
        return f"{self.module.__name__.rpartition('.')[2]} {self.name.strip('_').lower()}"


CONSTANTS: Sequence[Constant] = (
    Constant(lanes, "_SLICE"),
    Constant(coalescer, "MOST"),
    Constant(producer, "_MOST_UNSETTLED"),
    Constant(writer, "MOST_ROWS"),
)


def measure() -> list[Figure]:
    """Medians of three rounds, over those of the constant as it is; above 1 is faster."""
    return [figure for kind in (MEMORY, SQLITE) for constant in CONSTANTS for figure in _compare(kind, constant)]


def _compare(kind: str, constant: Constant) -> Iterator[Figure]:
    for question, work in (
        ("drain at 100", lambda url: drain(url, _JOBS[kind], 100)),
        ("drain at 1,000", lambda url: drain(url, _JOBS[kind], 1000)),
        ("100 callers", lambda url: rate(url, callers)),
    ):
        rates: dict[float, list[float]] = {factor: [] for factor in _TIMES}
        for _ in range(_ROUNDS):
            for factor, found in rates.items():
                with constant.times(factor), store(kind) as url:
                    found.append(asyncio.run(work(url)))
        for factor in (0.25, 4.0):
            share = statistics.median(each / usual for each, usual in zip(rates[factor], rates[1.0], strict=True))
            yield Figure(f"{constant} x {factor:g}, {question}", kind, share, "times")
