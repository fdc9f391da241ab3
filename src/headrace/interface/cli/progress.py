"""How far a move is: a line that changes on a terminal, plain lines elsewhere. On stderr: stdout is for the outcome."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from headrace.system.clock import Clock

_LINE_EVERY = 5.0
"""Seconds between lines where no bar can be drawn."""


class Carried:
    """Of a store whose jobs are counted. Its other rows are not, and come after them."""

    def __init__(self, jobs: int, clock: Clock) -> None:
        self._jobs, self._clock = jobs, clock
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar = Progress(
            TextColumn("moving"),
            BarColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("moving", total=max(1, jobs), words="")
        self._began = self._told = clock.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def tell(self, rows: int) -> None:
        """So many are over there."""
        now = self._clock.monotonic()
        words = f"{rows:,} rows, of a store of {self._jobs:,} jobs, {rows / max(now - self._began, 0.001):,.0f} rows/s"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=min(rows, self._jobs), words=words)
        elif now - self._told >= _LINE_EVERY:
            self._told = now
            self._console.print(f"headrace: moved {words}", soft_wrap=True)
