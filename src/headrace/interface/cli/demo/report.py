"""What the demo says at the end."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from headrace.interface.cli.demo.audit import Audit
from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.symbols import Symbols
from headrace.interface.cli.escaping import escape
from headrace.storage.opening import redact

_LARGEST = 5
_UNPARSED = 3
_WIDTH = 76


def print_report(screen: Screen, audit: Audit, seconds: float) -> None:
    """The account first, then what the work brought."""
    screen.show(f"The account, after {seconds:.1f} s", _account(audit))
    if audit.window.seconds:
        _print_window(screen, audit)
    symbols = [one for _, one in audit.symbols]
    total, lines = sum(one.total for one in symbols), sum(one.lines for one in symbols)
    screen.show(
        f"What the jobs returned: {total:,} symbols in {lines:,} lines. The largest modules:", _largest(symbols)
    )
    _print_unparsed(screen, [one for one in symbols if one.problem])


def print_next(screen: Screen, audit: Audit, url: str, folder: Path) -> None:
    """Three commands to go on with."""
    job_id = audit.rescued[0].id if audit.rescued else audit.symbols[0][0] if audit.symbols else None
    secret = redact(url) != url
    store = "" if secret else f" --storage {shlex.quote(url)}"
    screen.show(f"What to try next{', with the URL of the storage in HEADRACE_URL' if secret else ''}")
    commands = [f"headrace stats{store}", f"headrace jobs --state completed --limit 10{store}"]
    if job_id is not None:
        commands.append(f"headrace show {job_id}{store}")
    screen.list(commands, "cyan")
    screen.show(f"All is kept in {folder}")


def _print_window(screen: Screen, audit: Audit) -> None:
    """What the storage does not promise, and what that came to."""
    seconds, jobs = audit.window
    screen.step(
        "window",
        f"This storage may lose what it acknowledged in the last {seconds:g} s before its process is killed: "
        f"{len(jobs):,} jobs. {len(audit.lost) - len(audit.broken):,} of these are gone; of those acknowledged "
        f"earlier, {len(audit.broken):,}.",
    )


def _account(audit: Audit) -> Table:
    table = Table(min_width=_WIDTH)
    table.add_column("jobs")
    table.add_column("", justify="right")
    table.add_column("counted from", style="dim")
    table.add_row("acknowledged", f"{audit.acknowledged:,}", "the file of ids, outside the store")
    table.add_row("completed", f"{audit.completed:,}", "the store, asked for each of these ids")
    style = "green" if audit.rescued else "red"
    table.add_row("rescued", f"[{style}]{len(audit.rescued):,}[/]", "completed after the crash of their worker")
    table.add_row("dead or cancelled", f"{len(audit.unfinished):,}", "the store")
    style = "bold red" if audit.broken else "bold yellow" if audit.lost else "bold green"
    table.add_row(f"[{style}]lost[/]", f"[{style}]{len(audit.lost):,}[/]", "acknowledged, but unknown or not final")
    return table


def _largest(symbols: Sequence[Symbols]) -> Table:
    table = Table(min_width=_WIDTH)
    table.add_column("module", overflow="fold")
    for name in ("lines", "functions", "classes", "methods"):
        table.add_column(name, justify="right")
    for one in sorted(symbols, key=lambda one: (one.total, one.lines), reverse=True)[:_LARGEST]:
        numbers = (one.lines, one.functions, one.classes, one.methods)
        table.add_row(Text(_short(one.source)), *(f"{number:,}" for number in numbers))
    return table


def _print_unparsed(screen: Screen, unparsed: Sequence[Symbols]) -> None:
    if not unparsed:
        return
    lines = [escape(f"{_short(one.source)}: {one.problem}") for one in unparsed[:_UNPARSED]]
    if len(unparsed) > _UNPARSED:
        lines.append(f"and {len(unparsed) - _UNPARSED} more")
    count = "1 file" if len(unparsed) == 1 else f"{len(unparsed)} files"
    screen.show(f"{count} could not be parsed. Their jobs completed, and their results say why:")
    screen.list(lines)


def _short(source: str) -> str:
    return "/".join(Path(source).parts[-3:])
