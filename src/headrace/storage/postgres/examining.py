"""What can be told of a store in Postgres, and of its server, without changing anything: for ``headrace doctor``."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headrace.model.errors import HeadraceError, StoreUnreachable
from headrace.storage.postgres.connections import connect, part
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.faults import translated, unreachable
from headrace.storage.postgres.migrating import check_server, find_steps
from headrace.storage.postgres.schema import MIGRATIONS
from headrace.storage.postgres.settings import Settings

_SETTINGS = """SELECT name, setting, reset_val FROM pg_settings
WHERE name IN ('server_version', 'synchronous_commit', 'fsync', 'full_page_writes')"""


class Findings(NamedTuple):
    """All that was found."""

    facts: Mapping[str, object]
    warnings: Sequence[str]
    is_there: bool
    """Whether there is a store."""


async def examine(settings: Settings, patience: float) -> Findings:
    """By one connection, such as every handle has. StoreError where there is none, or where it may not look."""
    try:
        connection = await connect(settings, patience)
    except Exception as error:
        raise unreachable(error, settings.where) from error
    try:
        return await _look(connection, settings)
    except HeadraceError:
        raise
    except Exception as error:
        raise translated(error, settings.where, patience, lost=False) or error from error
    finally:
        await part(connection)


async def _look(connection: Connection, settings: Settings) -> Findings:
    wrong = await check_server(connection)
    if wrong is not None:
        raise StoreUnreachable(settings.where, wrong)
    found = {name: (ours, configured) for name, ours, configured in await connection.fetch(_SETTINGS)}
    done = await find_steps(connection, settings.schema, settings.where)
    warnings = list(_weaknesses(found))
    if not done:
        warnings.append(f"schema {settings.schema} is not there yet: the first enqueue or worker makes it")
    elif any(step.post and step not in done for step in MIGRATIONS):
        warnings.append("headrace migrate --post is still to be run, once no older version works here")
    facts = {"postgres": found["server_version"][0], "synchronous_commit": found["synchronous_commit"][0]}
    return Findings(facts, warnings, bool(done))


def _weaknesses(found: Mapping[str, tuple[str, str]]) -> Sequence[str]:
    """What the server does not do for durability."""
    ours, configured = found["synchronous_commit"]
    warnings = []
    if ours == "off":
        warnings.append("synchronous_commit is off: a crash of the server loses jobs that it has acknowledged")
    elif configured == "off":
        warnings.append(
            "synchronous_commit is off for this user, this database or the whole server: headrace asks for more on its "
            "own connections, but what is enqueued inside transactions of yours may be lost in a crash of the server"
        )
    risks = [name for name in ("fsync", "full_page_writes") if found[name][0] == "off"]
    return warnings + [f"{name} is off: a crash of the server's machine may lose or damage all of it" for name in risks]
