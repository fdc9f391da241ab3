"""``headrace``: the command line."""

import os
import sys
from collections.abc import Sequence

import typer

import headrace
from headrace.interface.cli.commands import (
    dead,
    enqueueing,
    explaining,
    listing,
    move,
    moving,
    pruning,
    queues,
    schedules,
    stores,
    watching,
    working,
)
from headrace.interface.cli.exits import FAILED, UsageError, exit_code
from headrace.interface.cli.output import complain, prepare_streams, write_out
from headrace.model.errors import HeadraceError

_INTERRUPTED = 130

application = typer.Typer(
    name="headrace",
    help="Background jobs that are not lost.",
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 schema, 4 the store can't be used.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@application.callback(invoke_without_command=False)
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=lambda v: _show_version(v)
    ),
) -> None:
    pass


def _show_version(wanted: bool) -> None:
    if wanted:
        print(headrace.__version__)
        raise typer.Exit


for _command in (
    working.worker,
    listing.jobs,
    listing.show,
    explaining.why,
    listing.stats,
    enqueueing.enqueue,
    watching.workers,
    moving.cancel,
    moving.retry,
    dead.dead,
    queues.queues,
    schedules.schedules,
    pruning.prune,
    stores.migrate,
    move.move,
    stores.doctor,
):
    application.command()(_command)


def add_demo() -> None:
    """The tour brings much along: it is loaded when it is asked for, or listed."""
    from headrace.interface.cli.demo.command import demo

    application.command()(demo)


def check_text(arguments: Sequence[str]) -> None:
    """UsageError where an argument, or a variable of ours, is not UTF-8."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("HEADRACE_")}
    named = {f"argument {number}": text for number, text in enumerate(arguments, start=1)} | settings
    for name, text in named.items():
        try:
            os.fsencode(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{name} is not UTF-8: byte {error.start}") from None


def main() -> None:
    """The console script."""
    prepare_streams()
    try:
        check_text(sys.argv[1:])
        if sys.argv[1:2] in ([], ["demo"], ["--help"], ["-h"]):
            add_demo()
        try:
            application(prog_name="headrace")
        finally:
            write_out()
    except (HeadraceError, UsageError) as error:
        complain(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # as in: headrace jobs | head
        _leave_stdout()
        sys.exit(FAILED)
    except OSError as error:  # stdout on a full disk, and the like
        complain(error)
        _leave_stdout()
        sys.exit(FAILED)


def _leave_stdout() -> None:
    """What could not be written is not tried again, and complained about, when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
