"""How the demo looks: steps as they happen, and below them the progress. Without a terminal, plain lines."""

from collections.abc import Sequence
from textwrap import wrap
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column
from rich.text import Text

WIDTH = 100
_INDENT = 12
_PACE = 26
_LINE_EVERY = 2.0
"""Seconds between lines where no bar can be drawn."""


class Screen:
    """Everything the demo prints goes through it."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console()
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self._console = Console(file=console.file, width=width, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", justify="right", table_column=Column(width=_PACE)),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._bar = self._progress.add_task("indexing", total=None, pace="")
        self._pace = Pace()
        self._line_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def title(self, title: str, subtitle: str) -> None:
        """The first line."""
        self._console.print()
        self._console.print(Text.assemble((title, "bold cyan"), "  ", (subtitle, "dim")))
        self._console.print()

    def step(self, label: str, text: str, style: str = "cyan") -> None:
        """Something happened. ``text`` is shown as it is: brackets in it are no markup."""
        width = self._console.width - _INDENT
        for paragraph in text.splitlines():
            for line in wrap(paragraph, width, break_long_words=False, break_on_hyphens=False):
                self._print_line(Text.assemble((label.ljust(_INDENT), f"bold {style}"), line))
                label = ""

    def list(self, lines: Sequence[str], style: str = "") -> None:
        """Below a heading. Lines are left whole, however long, so that commands can be copied."""
        for line in lines:
            self._print_line(Text(f"  {line}", style))

    def _print_line(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def show(self, heading: str, renderable: RenderableType = "") -> None:
        """Something larger, with a line above it."""
        self._console.print()
        self._print_line(Text(heading, "bold"))
        if renderable:
            self._console.print(renderable)

    def advance(self, done: int, total: int, now: float) -> None:
        """How far it is."""
        self._pace.note(done, now)
        pace = self._pace.describe(total)
        if self._console.is_terminal:
            self._progress.update(self._bar, completed=done, total=total, pace=pace)
        elif done and now - self._line_at >= _LINE_EVERY:
            self._line_at = now
            self.step("", f"{done:,} of {total:,} done{pace and ', '}{pace}")


class Pace:
    """The rate over the last seconds, and what it means for the rest."""

    _WINDOW = 5.0

    def __init__(self) -> None:
        self._notes: list[tuple[float, int]] = []

    def note(self, done: int, now: float) -> None:
        """So many were done at this moment."""
        if not done:
            return  # the workers are starting: no part of their rate
        self._notes.append((now, done))
        while now - self._notes[0][0] > self._WINDOW:
            del self._notes[0]

    def describe(self, total: int) -> str:
        """Such as ``120 a second, 14 s left``; nothing where nothing can be said."""
        if not self._notes:
            return ""
        (began, first), (now, last) = self._notes[0], self._notes[-1]
        if last <= first or now - began < 1:
            return ""
        rate = (last - first) / (now - began)
        return f"{rate:,.0f} a second, {(total - last) / rate:,.0f} s left"
