"""The options that commands share."""

from typing import Annotated

import typer

AppReference = Annotated[str | None, typer.Argument(metavar="[MODULE:APP]", help="The app whose store this is about.")]
StorageUrl = Annotated[
    str | None,
    typer.Option(
        "--storage",
        "-s",
        metavar="URL",
        help="The store, where no app is named. Default: HEADRACE_URL, which no other user can read.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
QueueName = Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="Only of this queue.")]
TaskName = Annotated[str | None, typer.Option("--task", "-t", metavar="NAME", help="Only of this task.")]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="At most this many.")]
After = Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="From where the last page ended.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it. Without this, only say what would be done.")]
