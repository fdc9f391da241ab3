"""One run of a command: checked again, started, and its end made an answer."""

from collections.abc import Mapping

from headrace.model.command import (
    Bounds,
    Command,
    CommandResult,
    check_command,
    end_text,
    environment_of,
    result_of,
    start_text,
)
from headrace.model.errors import CommandFailed, InvalidOption
from headrace.model.outcome import PermanentFailure
from headrace.system.spawn import MinderDied, Order, ProgramNotStarted, Spawn


async def run_command(
    spawn: Spawn, bounds: Bounds, command: Command, environment: Mapping[str, str], grace: float
) -> CommandResult:
    """The result, or CommandFailed; PermanentFailure where trying again is of no use. ``environment`` is the worker's.

    A cancelled run returns when all processes of the command are dead.
    """
    try:  # another program may have enqueued it, unchecked
        check_command(bounds, command)
    except InvalidOption as error:
        raise PermanentFailure(str(error)) from None
    order = Order(
        argv=command.argv,
        root=bounds.root,
        cwd=command.cwd or ".",
        environment=environment_of(bounds, command, environment),
        grace=grace,
        output=bounds.output,
        stdin=(command.stdin or "").encode(),
    )
    try:
        ended = await spawn.command(order)
    except ProgramNotStarted as refused:
        text, final = why_not_started(order, refused)
        raise PermanentFailure(text) if final else CommandFailed(text) from None
    except MinderDied as error:
        raise CommandFailed(str(error)) from None
    if ended.code != 0:
        raise CommandFailed(end_text(ended.code, ended.stdout.kept, ended.stderr.kept))
    return result_of(ended.code, ended.stdout.kept, ended.stdout.size, ended.stderr.kept, ended.stderr.size)


def why_not_started(order: Order, refused: ProgramNotStarted) -> tuple[str, bool]:
    """A text for it, and whether trying again is of no use."""
    number, why = refused.error.errno or 0, refused.error.strerror or "unknown error"
    return start_text(refused.step, number, why, order.argv, order.root, order.cwd)
