"""What ``headrace doctor`` finds out."""

import platform
import sqlite3

import headrace
from headrace.interface.app import Headrace
from headrace.interface.cli.applications import load_app, url_of
from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.output import Json, moment, plural
from headrace.interface.cli.places import installed, look
from headrace.model.errors import HeadraceError, SchemaTooNew, SchemaTooOld
from headrace.model.mark import refusal
from headrace.model.state import State
from headrace.storage.contract import Filter, Storage
from headrace.storage.opening import open_url
from headrace.storage.survival import Fate

_SKEW = 5_000
"""Milliseconds that two clocks may differ before it is worth a word."""


class Diagnosis:
    """Facts, warnings, and the error that ended the examination, if one did."""

    def __init__(self) -> None:
        self.facts: dict[str, object] = {}
        self.warnings: list[str] = []
        self.error: HeadraceError | None = None

    def to_json(self) -> Json:
        """For programs."""
        return self.facts | {"warnings": self.warnings, "error": None if self.error is None else str(self.error)}


async def examine(reference: str | None, storage: str | None) -> Diagnosis:
    """Look at everything that can be looked at without changing anything."""
    if reference is not None and storage is not None:
        raise UsageError("give module:app or --storage, not both: an app knows its own storage")
    found = Diagnosis()
    found.facts |= _versions()
    app = Headrace(storage) if reference is None else load_app(reference)
    found.facts["storage"] = url_of(app)
    store = open_url(app.config.url, clock=app.clock, auto_migrate=False, patience=app.settings.patience)
    found.facts["promise"] = store.capabilities.promise
    survival = store.capabilities.survival
    if survival.kill is Fate.LOST:
        found.warnings.append("jobs live in the memory of one process, and are lost when it ends")
    elif survival.power is Fate.LOST:
        found.warnings.append(f"a loss of power may take jobs that were acknowledged. {survival.but}".rstrip())
    try:
        place = await look(app)
        found.facts |= place.facts
        found.warnings += place.warnings
        if place.is_there:
            await _examine_store(app, store, found)
    except HeadraceError as error:
        found.error = error
        if isinstance(error, SchemaTooOld | SchemaTooNew):
            found.facts["schema"] = error.found
    return found


def _versions() -> dict[str, object]:
    return {
        "headrace": headrace.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "msgspec": installed("msgspec"),
    }


async def _examine_store(app: Headrace, store: Storage, found: Diagnosis) -> None:
    await store.open()
    try:
        counts = await store.count()
        found.facts["jobs"] = sum(counts.values())
        found.facts["dead"] = sum(count for (_, state), count in counts.items() if state is State.DEAD)
        now = await store.now()
        found.facts["clock"] = moment(now)
        skew = abs(now - app.clock.wall())
        if skew > _SKEW:
            found.warnings.append(f"this machine's clock and the store's differ by {skew / 1000:.0f} s")
        mark = await store.marked()
        if mark is not None:
            found.warnings.append(f"it {refusal(mark)}")
        newest = (await store.find(Filter(), limit=1)).jobs
        ahead = newest[0].enqueued_at - now if newest else 0
        if ahead > _SKEW:
            found.warnings.append(
                f"the newest job was enqueued {ahead / 1000:.0f} s from now: the clock was stepped back since, "
                "and what was delayed waits longer"
            )
        if "format" not in found.facts:
            found.facts["schema"] = await store.migrate()
        overdue = await store.next_due([name for name, _ in counts])
        waiting = sum(count for (_, state), count in counts.items() if state is State.PENDING)
        running = any(state is State.RUNNING for _, state in counts)
        if overdue == 0 and waiting and not running:
            found.warnings.append(f"{plural(waiting, 'job')} due and none running: is a worker running?")
    finally:
        await store.close()
