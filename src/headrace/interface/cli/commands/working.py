"""``headrace worker``."""

import asyncio
import os
from enum import StrEnum
from typing import Annotated

import typer

from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.freeing import Freeing, opener
from headrace.interface.cli.messages import Order
from headrace.interface.cli.reloading import watch_code
from headrace.interface.cli.supervisor import Supervisor, launch, watched_signals
from headrace.interface.config import check_count
from headrace.interface.logs import configure_logs
from headrace.interface.slots import parse_slots
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids, jitter_source
from headrace.system.processes import end_process, ignore_signals

_MOST_PROCESSES = 1_000


class LogFormat(StrEnum):
    """What log lines look like."""

    TEXT = "text"
    JSON = "json"


def worker(
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="The app. The current folder is importable.")],
    queues: Annotated[
        list[str] | None,
        typer.Option(
            "--queues", "-q", metavar="NAME[:SLOTS],...", help="Default: HEADRACE_QUEUES, else those of its tasks."
        ),
    ] = None,
    processes: Annotated[int, typer.Option("--processes", "-p", metavar="N", help="Worker processes.")] = 1,
    imports: Annotated[
        list[str] | None, typer.Option("--import", metavar="MODULE", help="Import this too: it registers tasks.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when Python files under this folder change.")
    ] = False,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="Log lines, on stderr.")] = LogFormat.TEXT,
) -> None:
    """Run jobs, in worker processes that are kept alive.

    SIGTERM or Ctrl-C lets running jobs finish within the app's grace; a second one hands them back.
    """
    check_count("processes", processes, most=_MOST_PROCESSES)
    if ":" not in app:
        raise UsageError(f"{app!r} names no app: write module:attribute, such as mail:app")
    slots = parse_slots(",".join(queues), "queues") if queues else None
    order = Order(app, "", -1, slots, tuple(imports or ()), str(log_format), processes)
    configure_logs(str(log_format))
    asyncio.run(_supervise(order, processes, reload=reload))


async def _supervise(order: Order, processes: int, *, reload: bool) -> None:
    """Ends this process. Unwinding it would let one more signal, of a storm of them, decide the exit code."""
    clock, entropy = SystemClock(), jitter_source()
    freeing = Freeing(opener(clock), clock, entropy)
    supervisor = Supervisor(
        order,
        processes,
        launch=launch,
        freeing=freeing,
        clock=clock,
        ids=Ids(clock),
        entropy=entropy,
        mends=reload,
    )
    loop = asyncio.get_running_loop()
    stops = watched_signals()
    for number in stops:
        loop.add_signal_handler(number, supervisor.stop)
    watching = asyncio.create_task(watch_code(os.getcwd(), clock, supervisor.restart)) if reload else None
    try:
        code = await supervisor.run()
    finally:
        if watching is not None:
            watching.cancel()
    ignore_signals(stops)
    end_process(code)
