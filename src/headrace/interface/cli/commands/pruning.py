"""``headrace prune``: final jobs leave before a worker sweeps them, or sooner than the rules say."""

from collections.abc import Collection, Mapping
from typing import Annotated

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app
from headrace.interface.cli.exits import USAGE
from headrace.interface.cli.options import AppReference, AsJson, QueueName, StorageUrl, Yes
from headrace.interface.cli.output import complain, plural, print_json, say
from headrace.interface.cli.reading import read_duration
from headrace.interface.steps import final_states
from headrace.model.duration import Duration, seconds
from headrace.model.job import Job, retention_of
from headrace.model.names import check_name
from headrace.model.state import FINAL, State
from headrace.runtime.pruner import Pruner
from headrace.storage.contract import Filter, Keep

_PAGE = 1_000

Rules = Mapping[State, Keep]


def prune(
    app: AppReference = None,
    storage: StorageUrl = None,
    queue: QueueName = None,
    state: Annotated[
        str | None, typer.Option("--state", help=f"Only in this state: {', '.join(sorted(FINAL))}.")
    ] = None,
    older: Annotated[
        str | None,
        typer.Option("--older", metavar="DURATION", help="Final for so long, whatever app and queue say: 7d, 12h."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove final jobs that were kept long enough. A job's own retention stands in any case."""
    for_so_long = None if older is None else read_duration(older)
    with open_app(app, storage) as opened:
        if yes:
            removed = _prune(opened, queue, for_so_long, state)
            print_json({"removed": removed}) if as_json else say(f"{plural(removed, 'job')} removed")
            return
        chosen = None if queue is None else check_name("queue", queue)
        age = None if for_so_long is None else seconds(for_so_long, "older")
        count = opened.block("prune", _count, opened, chosen, age, final_states(state))
    if as_json:
        print_json({"jobs": count})
    else:
        say(f"{plural(count, 'job')} would be removed for good")
    if count:
        complain("nothing was changed; repeat with --yes")
        raise typer.Exit(USAGE)


def _prune(app: Headrace, queue: str | None, older: Duration | None, state: str | None) -> int:
    removed = 0
    while True:
        now = app.prune_once(queue, older=older, state=state)
        removed += now
        if not now:
            return removed


async def _count(app: Headrace, queue: str | None, older: float | None, states: Collection[State]) -> int:
    """By looking at each final job: rules are applied one by one, in the order in which a sweep applies them."""
    storage = (await app.here()).storage
    pruner = Pruner(storage, app.settings)
    general = await pruner.rules_for(queue, older, states)
    own = {} if older is not None or queue is not None else await pruner.rules()
    counts = await storage.count()
    now, after, aged = await storage.now(), None, dict[tuple[str, State], int]()
    while True:
        page = await storage.find(Filter(frozenset(states), queue), limit=_PAGE, after=after)
        for job in page.jobs:
            if _is_over(job, own.get(job.queue, {}).get(job.state) or general[job.state], now):
                aged[job.queue, job.state] = aged.get((job.queue, job.state), 0) + 1
        after = page.next
        if after is None:
            break
    beyond = sum(
        max(0, number - aged.get(place, 0) - (own.get(place[0], {}).get(place[1]) or general[place[1]]).most)
        for place, number in counts.items()
        if place[1] in states and queue in (None, place[0])
    )
    return sum(aged.values()) + beyond


def _is_over(job: Job, rule: Keep, now: int) -> bool:
    asked = retention_of(job.options, job.state)
    return (job.finished_at or now) + round(1000 * (rule.age if asked is None else asked)) <= now
