"""``headrace why``: why a job is where it is."""

from typing import Annotated

import msgspec
import typer

from headrace.interface.cli.applications import open_app, split_reference
from headrace.interface.cli.exits import FAILED, UsageError
from headrace.interface.cli.options import AsJson, StorageUrl
from headrace.interface.cli.output import Json, complain, moment, print_json, say
from headrace.model.facts import Reason, Why

_ABSENT = frozenset({Reason.UNKNOWN, Reason.EXPIRED})


def why(
    words: Annotated[list[str], typer.Argument(metavar="[MODULE:APP] ID")],
    storage: StorageUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say why a job is where it is: one plain answer, and what else is in its way. With MODULE:APP, what the app says
    of its task is known too: limits, attempts, the grace of unknown tasks."""
    app, rest = split_reference(words)
    if len(rest) != 1:
        raise UsageError("why takes the id of one job")
    with open_app(app, storage) as opened:
        answer = opened.why(rest[0])
    if as_json:
        print_json(why_json(answer))
    elif answer.reason in _ABSENT:
        complain(f"job {answer.job_id}: {answer.sentence}")
    else:
        say(answer.sentence)
        for other in answer.then:
            say(f"And then: {other.sentence}")
    if answer.reason in _ABSENT:
        raise typer.Exit(FAILED)


def why_json(answer: Why) -> Json:
    """An answer for programs: instants as in all listings."""
    told: Json = msgspec.to_builtins(answer)
    return told | {
        "until": moment(answer.until),
        "since": moment(answer.since),
        "then": [why_json(other) for other in answer.then],
    }
