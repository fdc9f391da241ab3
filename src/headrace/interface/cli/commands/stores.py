"""``headrace migrate`` and ``doctor``: the store itself."""

import asyncio
from typing import Annotated

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import file_of, open_app, url_of
from headrace.interface.cli.diagnosis import examine
from headrace.interface.cli.exits import UsageError, exit_code
from headrace.interface.cli.options import AppReference, AsJson, StorageUrl
from headrace.interface.cli.output import complain, plural, print_fields, print_json, say
from headrace.storage.opening import open_url

Post = Annotated[
    bool, typer.Option("--post", help="Also do what is only safe once no older version works on the store.")
]


def migrate(app: AppReference = None, storage: StorageUrl = None, post: Post = False, as_json: AsJson = False) -> None:
    """Bring the store's schema up to date. Safe beside running workers, and when run twice."""
    opened = open_app(app, storage, creates=True)
    schema = asyncio.run(_migrate(opened, post=post))
    if as_json:
        print_json({"storage": url_of(opened), "schema": schema})
    else:
        say(f"{url_of(opened)} has schema {schema}")


async def _migrate(app: Headrace, *, post: bool) -> int:
    store = open_url(app.config.url, clock=app.clock, auto_migrate=True, patience=app.settings.patience)
    await store.open()
    try:
        return await store.migrate(post=post)
    finally:
        await store.close()


Salvage = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Copy what can be read of a damaged SQLite store into this new file."),
]


def doctor(
    app: AppReference = None, storage: StorageUrl = None, salvage: Salvage = None, as_json: AsJson = False
) -> None:
    """Say which versions and which store this is, what the store promises, who owns it, and what is wrong with it."""
    if salvage is not None:
        _salvage(open_app(app, storage, creates=True), salvage, as_json=as_json)
        return
    report = asyncio.run(examine(app, storage))
    if as_json:
        print_json(report.to_json())
    else:
        print_fields(report.facts)
        for warning in report.warnings:
            say(f"warning: {warning}")
        if report.error is None and not report.warnings:
            say("no warnings")
    if report.error is not None:
        complain(report.error)
        raise SystemExit(exit_code(report.error))


def _salvage(app: Headrace, into: str, *, as_json: bool) -> None:
    path = file_of(app.config.url)
    if path is None:
        raise UsageError("only a store in a SQLite file can be salvaged")
    from headrace.storage.sqlite.salvage import salvage

    found = salvage(path, into)
    if as_json:
        print_json({"file": into, "jobs": found.jobs, "damaged": found.damaged})
        return
    say(f"{plural(found.jobs, 'job')} copied into {into}; {plural(found.damaged, 'place')} could not be read")
