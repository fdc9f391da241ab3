"""``headrace demo``."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from headrace.interface.cli.applications import refuse_memory
from headrace.interface.cli.demo.audit import Audit
from headrace.interface.cli.demo.course import Course, Plan
from headrace.interface.cli.demo.report import print_next, print_report
from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.sole_course import SoleCourse
from headrace.interface.cli.demo.sources import find_sources
from headrace.interface.cli.demo.symbols import FOLDER
from headrace.interface.cli.demo.tasks import build
from headrace.interface.cli.demo.workforce import DemoStopped
from headrace.interface.cli.exits import UsageError
from headrace.storage.opening import redact

FILES = 3_000
_FEWEST = 50
_INTERRUPTED = 130


def demo(
    storage: Annotated[
        str | None, typer.Option(help="Where jobs are kept, as a URL. Default: SQLite in the demo's folder.")
    ] = None,
    files: Annotated[int, typer.Option(min=_FEWEST, help="The most files to index.")] = FILES,
    folder: Annotated[
        Path | None, typer.Option(help="Where everything is written. Default: a new temporary folder. It is kept.")
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=2, max=64, help="Worker processes, one of which is killed; where only one may write there is one."
        ),
    ] = 2,
) -> None:
    """A guided tour: index real Python files with real workers, kill one of them, and account for every job."""
    if storage is not None:
        refuse_memory(build(storage).app)
    place = _prepare(folder)
    screen = Screen()
    screen.title("headrace demo", "background jobs that are not lost")
    url = storage or f"sqlite:///{quote(str(place / 'jobs.db'))}"
    found = find_sources()
    plan = Plan(url, place, found[:files], processes)
    _introduce(screen, plan, len(found))
    try:
        problem = asyncio.run(_present(plan, screen))
    except DemoStopped as error:
        problem = str(error)
    except KeyboardInterrupt:
        screen.step("stopped", f"All its processes have ended. Kept in {place}.", "yellow")
        raise typer.Exit(_INTERRUPTED) from None
    if problem is not None:
        screen.step("failed", f"{problem}\nEverything is kept in {place}; worker.log is there, too.", "red")
        raise typer.Exit(1)


async def _present(plan: Plan, screen: Screen) -> str | None:
    """What went wrong; None where all is well."""
    parts = build(plan.url)
    began = parts.app.clock.monotonic()
    async with parts.app as app:
        storage = (await app.here()).storage
        can = storage.capabilities
        if not can.durable:
            raise UsageError(f"{redact(plan.url)} keeps nothing that outlives its process, and the demo kills it")
        screen.step("storage", f"{redact(plan.url)}\n{can.promise}")
        course = SoleCourse if can.processes == "one" else Course
        with screen:
            audit: Audit = await course(plan, parts, storage, screen).run()
    print_report(screen, audit, app.clock.monotonic() - began)
    print_next(screen, audit, plan.url, plan.folder)
    return audit.problem


def _prepare(folder: Path | None) -> Path:
    place = Path(tempfile.mkdtemp(prefix="headrace-")) if folder is None else folder.absolute()
    try:
        (place / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {place} can't be written to: {error.strerror}; name another") from None
    return place


def _introduce(screen: Screen, plan: Plan, found: int) -> None:
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    taken = "All are" if found == len(plan.sources) else f"The first {len(plan.sources):,} are"
    screen.step(
        "input",
        f"{found:,} source files found: the standard library of {python} and the installed packages. "
        f"{taken} indexed, one job for each: what functions, classes and methods it has, and where.",
    )
