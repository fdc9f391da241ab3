"""``headrace dead``: dead jobs, to be listed, sent back or removed."""

from typing import Annotated

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app
from headrace.interface.cli.exits import USAGE, UsageError
from headrace.interface.cli.options import After, AppReference, AsJson, Limit, QueueName, StorageUrl, TaskName, Yes
from headrace.interface.cli.output import complain, plural, print_json, say
from headrace.interface.cli.rendering import print_page
from headrace.model.state import State

_PAGE = 10_000


def dead(
    app: AppReference = None,
    storage: StorageUrl = None,
    queue: QueueName = None,
    task: TaskName = None,
    limit: Limit = 50,
    after: After = None,
    retry_all: Annotated[bool, typer.Option("--retry-all", help="Send all of them back.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of them for good.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """List dead jobs, newest first; with --retry-all or --clear, deal with all that pass --queue and --task."""
    if retry_all and clear:
        raise UsageError("--retry-all and --clear exclude each other")
    with open_app(app, storage) as opened:
        if not (retry_all or clear):
            page = opened.jobs(state=State.DEAD, queue=queue, task=task, limit=limit, after=after)
            print_page(page, as_json=as_json)
        elif not yes:
            _ask(_count(opened, queue, task), "sent back" if retry_all else "removed for good", as_json=as_json)
        elif retry_all:
            _retry_all(opened, queue, task, as_json=as_json)
        else:
            removed = opened.clear_dead_letters(queue, task=task)
            print_json({"removed": removed}) if as_json else say(f"{plural(removed, 'dead job')} removed")


def _count(app: Headrace, queue: str | None, task: str | None) -> int:
    if task is None:
        return sum(of.get(State.DEAD, 0) for name, of in app.counts().items() if queue in (None, name))
    count, after = 0, None
    while True:
        page = app.jobs(state=State.DEAD, queue=queue, task=task, limit=_PAGE, after=after)
        count, after = count + len(page), page.next
        if after is None:
            return count


def _ask(count: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"dead": count})
    else:
        say(f"{plural(count, 'dead job')} would be {what}")
    if count:
        complain("nothing was changed; repeat with --yes")
        raise typer.Exit(USAGE)


def _retry_all(app: Headrace, queue: str | None, task: str | None, *, as_json: bool) -> None:
    retried = app.retry_dead(queue, task=task)
    if as_json:
        print_json({"retried": retried.count, "key_held": retried.key_held})
        return
    say(f"{plural(retried.count, 'dead job')} sent back")
    if retried.key_held:
        say(f"{plural(retried.key_held, 'dead job')} stayed: another job holds the key")
