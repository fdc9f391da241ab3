"""What commands print: lines and tables for people, one plain JSON value for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.interface.cli.escaping import escape, escape_block
from headrace.model.state import State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLOURS = {
    State.COMPLETED: "green",
    State.DEAD: "red",
    State.RUNNING: "cyan",
    State.RETRYING: "yellow",
    State.CANCELLED: "dim",
}


def prepare_streams() -> None:
    """A character that the terminal's encoding lacks is spelled out, not an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def write_out() -> None:
    """What was said is written now: where that fails, it is met here, and not when the interpreter ends."""
    if sys.stdout is not None:  # it was closed before the program began
        sys.stdout.flush()


def say(text: object) -> None:
    """One line on stdout."""
    print(escape(text))


def say_block(text: str) -> None:
    """Several lines on stdout."""
    print(escape_block(text))


def complain(text: object) -> None:
    """One line on stderr."""
    print(f"headrace: {escape(text)}", file=sys.stderr)


def print_json(value: object) -> None:
    """Plain ASCII: safe on every terminal, in every encoding, with no colour and no wrapping."""
    print(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]], *, cut_last: bool = False) -> None:
    """Columns, whole ones: ids are there to be copied. With ``cut_last`` the last one ends where the screen does."""
    from rich.console import Console
    from rich.text import Text

    console = Console(markup=False, emoji=False, highlight=False)
    cells = [[escape(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        styles = [_colour(cell) for cell in rows[number - 1]] if number else ["bold"] * len(row)
        line = Text()
        for cell, width, style in zip(row, widths, styles, strict=True):
            line.append(cell, style)
            line.append(" " * (width - len(cell) + 2))
        line.rstrip()
        if cut_last and console.is_terminal:
            line.truncate(max(console.width, sum(widths[:-1]) + 2 * len(widths)), overflow="ellipsis")
        console.print(line, soft_wrap=True)


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line; those without a value are left out."""
    shown = {name: value for name, value in fields.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        say(f"{name:<{width}}  {value}")


def _colour(cell: object) -> str:
    return _COLOURS.get(cell, "") if isinstance(cell, State) else ""


def moment(milliseconds: int | None) -> str | None:
    """An instant as people and programs read it."""
    if milliseconds is None:
        return None
    try:
        text = (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{milliseconds} ms"
    return text.replace("+00:00", "Z")


def plural(count: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


Json = dict[str, Any]
"""What ``--json`` prints."""
