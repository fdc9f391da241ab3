"""``headrace dead``: dead jobs, to be listed, sent back or removed."""

from typing import Annotated

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app
from headrace.interface.cli.exits import USAGE, UsageError
from headrace.interface.cli.options import After, AppReference, AsJson, QueueName, StorageUrl, TaskName, Yes
from headrace.interface.cli.output import complain, plural, print_json, say
from headrace.interface.cli.reading import read_moment
from headrace.interface.cli.rendering import print_page
from headrace.interface.deadletters import Which
from headrace.model.lifecycle import DEAD_REASONS
from headrace.model.state import State

_LISTED = 50
_COUNTED = 500
"""How many at a time are looked at, to be counted."""

_WHEN = "An ISO 8601 time, or a duration: so long ago."
_REASONS = ", ".join(sorted(DEAD_REASONS))

Reason = Annotated[str | None, typer.Option("--reason", help=f"Only those that died of it: {_REASONS}.")]
ErrorText = Annotated[str | None, typer.Option("--error", metavar="TEXT", help="Only those whose error begins so.")]
Since = Annotated[str | None, typer.Option("--finished-after", metavar="WHEN", help=f"Only those dead since. {_WHEN}")]
Before = Annotated[
    str | None, typer.Option("--finished-before", metavar="WHEN", help=f"Only those dead before. {_WHEN}")
]
Most = Annotated[
    int | None, typer.Option("--limit", "-n", metavar="N", help=f"At most this many. A list has {_LISTED} unasked.")
]
Retry = Annotated[bool, typer.Option("--retry-all", "--retry", help="Send all of them back.")]
Clear = Annotated[bool, typer.Option("--clear", help="Remove all of them for good.")]


def dead(
    app: AppReference = None,
    storage: StorageUrl = None,
    queue: QueueName = None,
    task: TaskName = None,
    reason: Reason = None,
    error: ErrorText = None,
    finished_after: Since = None,
    finished_before: Before = None,
    limit: Most = None,
    after: After = None,
    retry_all: Retry = False,
    clear: Clear = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """List dead jobs, newest first; with --retry-all or --clear, deal with all that pass what else is given."""
    if retry_all and clear:
        raise UsageError("--retry-all and --clear exclude each other")
    if after is not None and (retry_all or clear):
        raise UsageError("--after is for lists: --retry-all and --clear deal with all")
    which: Which = {
        "task": task,
        "reason": reason,
        "error": error,
        "finished_after": read_moment("finished_after", finished_after),
        "finished_before": read_moment("finished_before", finished_before),
    }
    with open_app(app, storage) as opened:
        if not (retry_all or clear):
            page = opened.dead_letters(queue, limit=_LISTED if limit is None else limit, after=after, **which)
            print_page(page, as_json=as_json)
        elif not yes:
            count = _count(opened, queue, which, limit)
            _ask(count, "sent back" if retry_all else "removed for good", as_json=as_json)
        elif retry_all:
            _retry_all(opened, queue, which, limit, as_json=as_json)
        else:
            removed = opened.clear_dead_letters(queue, limit=limit, **which)
            print_json({"removed": removed}) if as_json else say(f"{plural(removed, 'dead job')} removed")


def _count(app: Headrace, queue: str | None, which: Which, limit: int | None) -> int:
    if not any(value is not None for value in (*which.values(), limit)):
        return sum(of.get(State.DEAD, 0) for name, of in app.counts().items() if queue in (None, name))
    count, after = 0, None
    while limit is None or count < limit:
        page = app.dead_letters(queue, limit=_COUNTED, after=after, **which)
        count, after = count + len(page), page.next
        if after is None:
            break
    return count if limit is None else min(count, limit)


def _ask(count: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"dead": count})
    else:
        say(f"{plural(count, 'dead job')} would be {what}")
    if count:
        complain("nothing was changed; repeat with --yes")
        raise typer.Exit(USAGE)


def _retry_all(app: Headrace, queue: str | None, which: Which, limit: int | None, *, as_json: bool) -> None:
    retried = app.retry_dead(queue, limit=limit, **which)
    if as_json:
        print_json({"retried": retried.count, "key_held": retried.key_held})
        return
    say(f"{plural(retried.count, 'dead job')} sent back")
    if retried.key_held:
        say(f"{plural(retried.key_held, 'dead job')} stayed: another job holds the key")
