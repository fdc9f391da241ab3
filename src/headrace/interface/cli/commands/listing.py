"""``headrace jobs``, ``show`` and ``stats``: looking, never changing."""

from typing import Annotated

import typer

from headrace.interface.cli.applications import open_app, split_reference
from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.options import After, AppReference, AsJson, Limit, QueueName, StorageUrl, TaskName
from headrace.interface.cli.output import plural, print_json, print_table, say
from headrace.interface.cli.rendering import print_job, print_page, whole_job_json
from headrace.model.errors import JobNotFound
from headrace.model.state import State

_QUEUES = 50
"""How many queues ``stats`` lists unasked."""


def jobs(
    app: AppReference = None,
    storage: StorageUrl = None,
    state: Annotated[str | None, typer.Option("--state", help=f"Only in this state: {', '.join(State)}.")] = None,
    queue: QueueName = None,
    task: TaskName = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with open_app(app, storage) as opened:
        page = opened.jobs(state=state, queue=queue, task=task, limit=limit, after=after)
    print_page(page, as_json=as_json)


def show(
    words: Annotated[list[str], typer.Argument(metavar="[MODULE:APP] ID")],
    storage: StorageUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one job: its arguments, its attempts, their errors. With MODULE:APP, sensitive tasks keep theirs."""
    app, rest = split_reference(words)
    if len(rest) != 1:
        raise UsageError("show takes the id of one job")
    with open_app(app, storage) as opened:
        job = opened.job(rest[0])
        if job is None:
            raise JobNotFound(rest[0])
        handler = opened.registry.get(job.task)
    sensitive = handler is not None and handler.sensitive
    if as_json:
        print_json(whole_job_json(job, sensitive=sensitive))
    else:
        print_job(job, sensitive=sensitive)


def stats(
    app: AppReference = None,
    storage: StorageUrl = None,
    every: Annotated[bool, typer.Option("--all", help=f"List all queues, not only the {_QUEUES} largest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count jobs by queue and state. JSON has all queues."""
    with open_app(app, storage) as opened:
        counts = opened.counts()
    totals = {state: sum(of.get(state, 0) for of in counts.values()) for state in State}
    if as_json:
        queues = {name: {str(state): of.get(state, 0) for state in State} for name, of in sorted(counts.items())}
        print_json({"queues": queues, "total": {str(state): count for state, count in totals.items()}})
        return
    if not counts:
        say("no jobs")
        return
    largest = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    shown = sorted(largest if every else largest[:_QUEUES])
    rows = [[name, *(counts[name].get(state, 0) for state in State)] for name in shown]
    if len(counts) > 1:
        rows.append(["(all)", *totals.values()])
    print_table(["QUEUE", *(state.upper() for state in State)], rows)
    if len(shown) < len(counts):
        left_out = plural(len(counts) - len(shown), "smaller queue")
        jobs_left_out = plural(sum(sum(counts[name].values()) for name in largest[_QUEUES:]), "job")
        say(f"{left_out} with {jobs_left_out} left out; --all lists them")
