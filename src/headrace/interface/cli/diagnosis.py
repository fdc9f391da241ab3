"""What ``headrace doctor`` finds out."""

import os
import platform
import sqlite3
import stat
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import headrace
from headrace.interface.app import Headrace
from headrace.interface.cli.applications import file_of, is_postgres, load_app, url_of
from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.output import Json, moment, plural
from headrace.model.errors import HeadraceError, SchemaTooNew, SchemaTooOld
from headrace.model.mark import refusal
from headrace.model.state import State
from headrace.storage.contract import Filter, Storage
from headrace.storage.opening import open_url

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
    if not store.capabilities.durable:
        found.warnings.append("jobs live in the memory of one process, and are lost when it ends")
    try:
        if await _is_there(app, found):
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
        "msgspec": _installed("msgspec"),
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


async def _is_there(app: Headrace, found: Diagnosis) -> bool:
    """Whether there is a store to be opened, which would make one; what else can be told of its place stands in
    ``found``."""
    path = file_of(app.config.url)
    if path is not None:
        from headrace.storage.sqlite import sqlite_warnings

        found.warnings += [*sqlite_warnings(), *_file_warnings(path)]
        if not _exists(path):
            found.warnings.append(f"{path} is not there yet: the first enqueue or worker makes it")
            return False
    if is_postgres(app.config.url):
        from headrace.storage.postgres import examining, settings

        looked = await examining.examine(settings.read_url(app.config.url, url_of(app)), app.settings.patience)
        found.facts |= {"asyncpg": _installed("asyncpg"), **looked.facts}
        found.warnings += looked.warnings
        return looked.is_there
    return True


def _exists(path: str) -> bool:
    return os.path.exists(path)


def _file_warnings(path: str) -> Sequence[str]:
    """Who else on this machine can get at the file."""
    warnings: list[str] = []
    folder = os.path.dirname(os.path.realpath(path))
    try:
        if os.stat(folder).st_mode & stat.S_IWOTH:
            warnings.append(f"every user of this machine can put files into {folder}: use a folder of your own")
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & 0o077:
            warnings.append(f"{path} has mode {mode:04o}: other users get at its jobs; 0600 keeps them out")
    except OSError:
        pass  # what can't be looked at is told by opening the store
    return warnings


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
        found.facts["schema"] = await store.migrate()
        overdue = await store.next_due([name for name, _ in counts])
        waiting = sum(count for (_, state), count in counts.items() if state is State.PENDING)
        running = any(state is State.RUNNING for _, state in counts)
        if overdue == 0 and waiting and not running:
            found.warnings.append(f"{plural(waiting, 'job')} due and none running: is a worker running?")
    finally:
        await store.close()
