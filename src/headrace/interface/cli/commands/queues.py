"""``headrace queues``: queues to be listed, paused, resumed and scaled."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app, split_reference
from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.options import After, AsJson, Limit, StorageUrl
from headrace.interface.cli.output import Json, moment, plural, print_json, print_table, say
from headrace.interface.page import Page
from headrace.interface.queues import QueueView
from headrace.model.state import State

Words = Annotated[
    list[str] | None, typer.Argument(metavar="[MODULE:APP] [pause NAME... | resume NAME... | scale NAME N|none]")
]
Order = Callable[[Headrace, str], None]


def queues(
    words: Words = None, storage: StorageUrl = None, limit: Limit = 50, after: After = None, as_json: AsJson = False
) -> None:
    """List queues by name; or pause some, resume some, or set how many jobs of one run at once over all workers."""
    app, rest = split_reference(words or [])
    orders = _orders(rest)
    with open_app(app, storage) as opened:
        if not rest:
            _print_page(opened.queues(limit=limit, after=after), as_json=as_json)
            return
        for name, order in orders:
            order(opened, name)
        changed = [view for name, _ in orders for view in opened.queues(name=name)]
    if as_json:
        print_json({"queues": [_json(view) for view in changed]})
        return
    for view in changed:
        say(f"{view.name}: {_state(view)}, {_ceiling(view)}")


def _orders(words: Sequence[str]) -> Sequence[tuple[str, Order]]:
    match words:
        case []:
            return ()
        case ["pause", _, *_]:
            return [(name, Headrace.pause) for name in words[1:]]
        case ["resume", _, *_]:
            return [(name, Headrace.resume) for name in words[1:]]
        case ["scale", name, text]:
            number = _number(text)
            return [(name, lambda app, name: app.scale(name, number))]
        case ["pause" | "resume" | "scale" as action, *_]:
            wanted = "a queue and a number, or none" if action == "scale" else "names of queues"
            raise UsageError(f"{action} takes {wanted}")
        case _:
            raise UsageError(f"{words[0]!r} is none of pause, resume, scale")


def _number(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"{text!r} is no number of jobs: write one, or none for no ceiling")
    return int(text)


def _print_page(page: Page[QueueView], *, as_json: bool) -> None:
    if as_json:
        print_json({"queues": [_json(view) for view in page], "next": page.next})
        return
    if not page:
        say("no queues")
        return
    print_table(("QUEUE", "STATE", "CEILING", "RUNNING", "DUE", "LATER", "DEAD", "WORKERS"), [_row(v) for v in page])
    if page.next is not None:
        say(f"more: --after {page.next}")


def _row(view: QueueView) -> Sequence[object]:
    count = view.counts.get
    later = count(State.SCHEDULED, 0) + count(State.RETRYING, 0)
    numbers = count(State.RUNNING, 0), count(State.PENDING, 0), later, count(State.DEAD, 0)
    ceiling = "" if view.concurrency is None else view.concurrency
    slots = sum(view.workers.values())
    workers = f"{len(view.workers)} with {plural(slots, 'slot')}" if view.workers else "none"
    return view.name, _state(view), ceiling, *numbers, workers


def _state(view: QueueView) -> str:
    if view.paused:
        return "paused"
    return "open" if view.cools_until is None else f"cools until {moment(view.cools_until)}"


def _ceiling(view: QueueView) -> str:
    return "no ceiling" if view.concurrency is None else f"at most {view.concurrency:,} at once"


def _json(view: QueueView) -> Json:
    return {
        "queue": view.name,
        "paused": view.paused,
        "concurrency": view.concurrency,
        "cools_until": moment(view.cools_until),
        "retention": view.retention,
        "counts": {str(state): count for state, count in view.counts.items()},
        "limits": list(view.limits),
        "workers": dict(view.workers),
    }
