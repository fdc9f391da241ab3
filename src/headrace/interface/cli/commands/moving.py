"""``headrace cancel`` and ``retry``: jobs by their ids."""

from typing import Annotated

import typer

from headrace.interface.cli.applications import open_app, split_reference
from headrace.interface.cli.exits import FAILED, UsageError
from headrace.interface.cli.options import AsJson, StorageUrl
from headrace.interface.cli.output import complain, print_json, say
from headrace.interface.jobs import CancelOutcome
from headrace.model.errors import HeadraceError, StoreError

Words = Annotated[list[str], typer.Argument(metavar="[MODULE:APP] ID...")]

_WORDS = {
    CancelOutcome.CANCELLED: "cancelled",
    CancelOutcome.REQUESTED: "runs; its worker was asked to stop it",
    CancelOutcome.ALREADY_FINAL: "had ended already",
    CancelOutcome.NOT_FOUND: "is not in the store",
}


def cancel(words: Words, storage: StorageUrl = None, as_json: AsJson = False) -> None:
    """Cancel jobs: waiting ones at once, running ones by request."""
    app, ids = split_reference(words)
    if not ids:
        raise UsageError("cancel takes ids of jobs")
    with open_app(app, storage) as opened:
        outcomes = {job_id: opened.cancel(job_id) for job_id in ids}
    if as_json:
        print_json({job_id: str(outcome) for job_id, outcome in outcomes.items()})
    else:
        for job_id, outcome in outcomes.items():
            say(f"{job_id} {_WORDS[outcome]}")
    if CancelOutcome.NOT_FOUND in outcomes.values():
        raise typer.Exit(FAILED)


def retry(words: Words, storage: StorageUrl = None, as_json: AsJson = False) -> None:
    """Send dead jobs back, with all their attempts again."""
    app, ids = split_reference(words)
    if not ids:
        raise UsageError("retry takes ids of jobs; for all dead ones: headrace dead --retry-all")
    problems: dict[str, str | None] = {}
    with open_app(app, storage) as opened:
        for job_id in ids:
            try:
                opened.retry(job_id)
                problems[job_id] = None
            except StoreError:
                raise
            except HeadraceError as error:
                problems[job_id] = str(error)
    if as_json:
        print_json({job_id: {"retried": why is None, "error": why} for job_id, why in problems.items()})
    for job_id, why in problems.items():
        if why is not None:
            complain(why)
        elif not as_json:
            say(f"{job_id} goes back to its queue")
    if any(problems.values()):
        raise typer.Exit(FAILED)
