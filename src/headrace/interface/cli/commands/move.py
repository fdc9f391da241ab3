"""``headrace move``: all of a store into another, of whatever kind, and work goes on there."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import file_of, is_postgres, open_app, url_of
from headrace.interface.cli.exits import USAGE, UsageError
from headrace.interface.cli.options import AsJson, Yes
from headrace.interface.cli.output import complain, print_json, say
from headrace.interface.cli.progress import Carried
from headrace.interface.cli.tallies import census_fields, to_json
from headrace.model.errors import StoreError
from headrace.model.moving import Step
from headrace.runtime.moving import End, Move, Moved, take_back
from headrace.storage.opening import open_url

_FILES = ("sqlite", "hybrid")
"""Schemes of URLs that name a file, from the current folder on."""

Source = Annotated[str, typer.Argument(metavar="SRC", help="The store to be moved, as a URL or as module:app.")]
Target = Annotated[
    str | None, typer.Argument(metavar="[DST]", help="An empty store, or one that isn't there yet. Likewise.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Also while workers live: they are cut off, and what they run runs again.")
]
Undo = Annotated[bool, typer.Option("--undo", help="Take SRC back into use, once moved or half moved.")]


def move(
    source: Source,
    target: Target = None,
    force: Force = False,
    undo: Undo = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move all of a store into another: jobs, keys, schedules, limits, paused queues, kv and the timeline.

    Nothing can be written to SRC from then on. Broken off, the same command goes on where it was.
    """
    old = _app_of(source)
    if undo:
        if target is not None:
            raise UsageError("--undo takes one store: the one that was moved, and is to be used again")
        _undo(old, yes=yes, as_json=as_json)
        return
    if target is None:
        raise UsageError("move takes two stores: the one to be moved, and the one that it becomes")
    new = _app_of(target, creates=True)
    if name_of(old) == name_of(new):
        raise UsageError(f"{name_of(old)} can't be moved into itself: name another store")
    try:
        moved = asyncio.run(_move(old, new, force=force))
    except StoreError:
        complain("if the move had begun, the same command goes on with it")
        raise
    if as_json:
        print_json({"from": name_of(old), "to": name_of(new), **to_json(moved)})
    else:
        _tell(name_of(old), name_of(new), moved)


def _app_of(words: str, *, creates: bool = False) -> Headrace:
    if "://" in words or words.startswith("memory:"):
        return open_app(None, words, creates=creates)
    return open_app(words, None, creates=creates)


async def _move(old: Headrace, new: Headrace, *, force: bool) -> Moved:
    async with _opened(old) as source, _opened(new, creates=True) as target:
        jobs = sum((await source.storage.count()).values())
        with Carried(jobs, old.clock) as progress:
            return await Move(source, target, old.clock, old.ids.new, force=force).run(progress.tell)


@asynccontextmanager
async def _opened(app: Headrace, *, creates: bool = False) -> AsyncIterator[End]:
    storage = open_url(
        _durable(app.config.url),
        clock=app.clock,
        auto_migrate=True if creates else None,
        patience=app.settings.patience,
    )
    await storage.open()
    try:
        yield End(storage, name_of(app))
    finally:
        await storage.close()


def _durable(url: str) -> str:
    """Where a commit may be lost with the power, the one that ends a move must not be."""
    if file_of(url) is None:
        return url
    bare, _, query = url.partition("?")
    options = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "durability"]
    return f"{bare}?{urlencode(options)}" if options else bare


def name_of(app: Headrace) -> str:
    """The store itself, whatever else its URL asks for: the same for the same one, and without a password."""
    url = app.config.url
    parts = urlsplit(url)
    if parts.scheme == "file":  # a folder, from the root of the disk on
        return f"file://{os.path.realpath(unquote(parts.path))}"
    if parts.scheme in _FILES:
        return f"{parts.scheme}:///{os.path.realpath(unquote(parts.path[1:]))}"
    bare, _, query = url_of(app).partition("?")
    schema = dict(parse_qsl(query)).get("schema")
    return f"{bare}?schema={schema}" if schema and is_postgres(url) else bare


def _tell(source: str, target: str, moved: Moved) -> None:
    if moved.step is Step.NOTHING or moved.census is None:
        say(f"{source} was moved to {target} before; nothing is left to be done")
        return
    for line in census_fields(moved.census):
        say(line)
    rate = f", {moved.carried / moved.seconds:,.0f} rows/s" if moved.carried and moved.seconds else ""
    say(f"{source} was moved to {target}: {moved.census.rows:,} rows, the same in both, in {moved.seconds:.1f} s{rate}")
    say(f"Start workers on {target}. {source} is kept, and takes nothing any more.")


# --- back into use ---------------------------------------------------------------------------------------------------


def _undo(app: Headrace, *, yes: bool, as_json: bool) -> None:
    name = name_of(app)
    if not yes:
        mark = asyncio.run(_look(app))
        what = f"{name} is not marked: there is nothing to undo"
        if mark is not None:
            what = f"{name} would be taken back into use; what {mark} has of its jobs runs there, too"
        print_json({"storage": name, "other": mark}) if as_json else say(what)
        if mark is not None:
            complain("nothing was changed; repeat with --yes")
        raise typer.Exit(USAGE)
    other = asyncio.run(_take_off(app))
    if as_json:
        print_json({"storage": name, "other": other})
    else:
        say(f"{name} is in use again; remove {other}, or its jobs run twice")


async def _look(app: Headrace) -> str | None:
    async with _opened(app) as end:
        mark = await end.storage.marked()
    return None if mark is None else mark.other


async def _take_off(app: Headrace) -> str:
    async with _opened(app) as end:
        return (await take_back(end)).other
