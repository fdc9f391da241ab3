"""``headrace migrate`` and ``doctor``: the store itself."""

import asyncio

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app, url_of
from headrace.interface.cli.diagnosis import examine
from headrace.interface.cli.exits import exit_code
from headrace.interface.cli.options import AppReference, AsJson, StorageUrl
from headrace.interface.cli.output import complain, print_fields, print_json, say
from headrace.storage.opening import open_url


def migrate(app: AppReference = None, storage: StorageUrl = None, as_json: AsJson = False) -> None:
    """Bring the store's schema up to date. Safe beside running workers, and when run twice."""
    opened = open_app(app, storage, creates=True)
    schema = asyncio.run(_migrate(opened))
    if as_json:
        print_json({"storage": url_of(opened), "schema": schema})
    else:
        say(f"{url_of(opened)} has schema {schema}")


async def _migrate(app: Headrace) -> int:
    store = open_url(app.config.url, clock=app.clock, auto_migrate=True, patience=app.settings.patience)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


def doctor(app: AppReference = None, storage: StorageUrl = None, as_json: AsJson = False) -> None:
    """Say which versions and which store this is, what the store promises, and what is wrong with it."""
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
