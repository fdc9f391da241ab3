"""What ``headrace doctor`` tells of the place of a store: before the store itself is opened, which might make one."""

import os
import stat
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import file_of, is_bucket, is_postgres, journal_of, snapshot_of, url_of
from headrace.interface.cli.output import moment
from headrace.model.ownership import Owner


class Place(NamedTuple):
    """What was found there."""

    is_there: bool
    facts: Mapping[str, object] = {}
    warnings: Sequence[str] = ()


async def look(app: Headrace) -> Place:
    """Whether there is a store, and what can be told without opening it."""
    url = app.config.url
    if (path := file_of(url)) is not None:
        from headrace.storage.sqlite import sqlite_warnings

        place = _in_file(path)
        return place._replace(warnings=[*sqlite_warnings(), *place.warnings])
    if (path := snapshot_of(url)) is not None:
        place = _in_file(path)
        return place._replace(facts=await _standing(app) or {}) if place.is_there else place
    if is_bucket(url):
        return await _in_bucket(app)
    if is_postgres(url):
        from headrace.storage.postgres import examining, settings

        looked = await examining.examine(settings.read_url(url, url_of(app)), app.settings.patience)
        return Place(looked.is_there, {"asyncpg": installed("asyncpg"), **looked.facts}, looked.warnings)
    return Place(is_there=True)


def installed(package: str) -> str:
    """The version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


# --- files -----------------------------------------------------------------------------------------------------------


def _in_file(path: str) -> Place:
    """The file of a store, and who else on this machine can get at it."""
    warnings: list[str] = []
    folder = os.path.dirname(os.path.realpath(path))
    try:
        if os.stat(folder).st_mode & stat.S_IWOTH:
            warnings.append(f"every user of this machine can put files into {folder}: use a folder of your own")
        warnings += _open_to_others(path, 0o600)
    except OSError:
        pass  # what can't be looked at is told by opening the store
    is_there = os.path.exists(path)
    return Place(is_there, {}, warnings if is_there else [*warnings, _not_there(path)])


def _open_to_others(path: str, better: int) -> Sequence[str]:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & 0o077:
        return []
    return [f"{path} has mode {mode:04o}: other users get at its jobs; {better:04o} keeps them out"]


def _not_there(where: str) -> str:
    return f"{where} is not there yet: the first enqueue or worker makes it"


# --- journals --------------------------------------------------------------------------------------------------------


async def _in_bucket(app: Headrace) -> Place:
    where = journal_of(app).where
    facts = await _standing(app)
    versions = {"slatedb": installed("slatedb")}
    if facts is None:
        return Place(is_there=False, facts=versions, warnings=[_not_there(where)])
    folder = where.removeprefix("file://")
    return Place(True, {**versions, **facts}, _open_to_others(folder, 0o700) if folder != where else [])


async def _standing(app: Headrace) -> Mapping[str, object] | None:
    found = await journal_of(app).standing()
    if found is None:
        return None
    facts = {"format": found.format, "entries": found.entries, "bytes": found.size}
    return facts if found.owner is None else {**facts, **_owner(found.owner, app.clock.wall(), lives=found.lives)}


def _owner(owner: Owner, now: int, *, lives: bool) -> Mapping[str, object]:
    return {
        "owner": f"process {owner.pid} on {owner.host}",
        "owner_since": moment(owner.since),
        "owner_seen": f"{moment(owner.seen)}, {max(0, now - owner.seen) / 1000:.0f} s ago",
        "owner_state": "alive" if lives else "stale: whoever writes next takes the store over",
    }
