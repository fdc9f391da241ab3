"""What commands print: lines and tables for people, one plain JSON value for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.interface.cli.escaping import escape, escape_block
from headrace.model.state import State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNBOUNDED = 100_000
"""Columns where nobody's screen is in the way: nothing is cut that another program reads."""
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


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns. The last one is cut where the screen ends; in a pipe nothing is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        last = number == len(titles) - 1
        table.add_column(Text(title), no_wrap=True, overflow="ellipsis", min_width=None if last else len(title))
    for row in rows:
        table.add_row(*(Text(escape(cell), style=_colour(cell)) for cell in row))
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


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
