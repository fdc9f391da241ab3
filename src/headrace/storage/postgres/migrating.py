"""Brings a schema to the latest number: forward only, one migrator at a time, each file by itself, so that one that was
killed goes on where it stopped. How its files are written is told in ``migrations``.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import asyncpg

from headrace.model.errors import ForeignStore, NotPermitted, SchemaTooNew, SchemaTooOld, StoreBusy
from headrace.storage.postgres.driver import Connection, Transaction
from headrace.storage.postgres.faults import describe
from headrace.storage.postgres.schema import MIGRATIONS, Step, is_apart, statements_of
from headrace.storage.postgres.settings import Settings, quote_name

_STEP = {"number", "post"}
_LEAST_SERVER = 130_000
_ALIVE = 4.0
"""Seconds between signs of life of who holds the lock: less than any server lets a transaction idle."""
_LOCK = 1.0
"""Seconds that a file waits for a table: all who come after it wait behind it."""
_TRIES = 30
_PAUSE = 1.0
"""Seconds between tries, in which those others go on."""


async def find_steps(connection: Connection, schema: str, where: str) -> frozenset[Step]:
    """What has been run there: nothing in a database without such a schema. ForeignStore where it is another's."""
    names = {str(row[0]) for row in await connection.fetch(_TABLES, schema)}
    if not names:
        return frozenset()
    columns = {str(row[0]) for row in await connection.fetch(_COLUMNS, schema)}
    if not columns >= _STEP:
        raise ForeignStore(where, f"its schema {schema!r} holds tables such as {min(names)}")
    rows = await connection.fetch(f"SELECT number, post FROM {quote_name(schema)}.migrations")
    return frozenset(Step(*row) for row in rows)


_TABLES = """SELECT relname::text FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS schema
ON schema.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f')"""
_COLUMNS = """SELECT attname::text FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class AS tables
ON tables.oid = attrelid JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relnamespace
WHERE nspname = $1 AND relname = 'migrations' AND attnum > 0 AND NOT attisdropped"""


def check_steps(done: frozenset[Step], where: str, migrations: Mapping[Step, str] = MIGRATIONS) -> None:
    """Whether this version can work there: what is missing must not be, and what was taken away it must not need."""
    latest = max(step.number for step in migrations)
    newer = [step.number for step in done if step.post and step.number > latest]
    if newer:
        raise SchemaTooNew(where, max(newer), latest)
    if is_behind(done, migrations):
        raise SchemaTooOld(where, max((step.number for step in done), default=0), latest)


def is_behind(done: frozenset[Step], migrations: Mapping[Step, str]) -> bool:
    """Whether something is missing that this version needs."""
    return any(not step.post and step not in done for step in migrations)


async def migrate(
    locking: Connection,
    working: Connection,
    settings: Settings,
    *,
    post: bool,
    migrations: Mapping[Step, str] = MIGRATIONS,
) -> int:
    """Runs what is missing, ``post`` also what comes once no older version works any more; the number reached.

    ``locking`` holds the lock, in a transaction that does nothing else: it needs no session of its own, and holds up
    no statement of ``working``. Where somebody else has it, this waits until they are done, or gone.
    """
    transaction = await _lock(locking, settings.schema)
    try:
        return await _alive(locking, _run_missing(working, settings, post, migrations))
    finally:
        try:
            await transaction.rollback()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            locking.terminate()


async def _lock(locking: Connection, schema: str) -> Transaction:
    """Asks again and again: whoever waits in one statement keeps its snapshot, for which an index that is built beside
    others waits, and with it the one who has the lock. A statement with parameters would keep it beyond its end."""
    while True:
        transaction = locking.transaction()
        await transaction.start()
        try:
            await locking.execute("SET LOCAL lock_timeout = '500ms'")
            await locking.execute(f"SELECT pg_advisory_xact_lock(hashtextextended('headrace migrate {schema}', 0))")
            return transaction
        except asyncpg.LockNotAvailableError:
            await transaction.rollback()


async def _alive(locking: Connection, work: Coroutine[Any, Any, int]) -> int:
    """Does the work, and shows the server meanwhile that we live: it ends the transaction of who froze or vanished.
    Where the lock is lost, the work ends as well."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_ALIVE))[0]:
            await locking.execute("SELECT 1")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run_missing(working: Connection, settings: Settings, post: bool, migrations: Mapping[Step, str]) -> int:
    done = await find_steps(working, settings.schema, settings.where)
    newest = max((step.number for step in done if step.post), default=0)
    latest = max(step.number for step in migrations)
    if newest > latest:
        raise SchemaTooNew(settings.where, newest, latest)
    missing = [step for step in migrations if step not in done and (post or not step.post)]
    if missing:
        try:
            await _prepare(working, settings.schema)
            for step in missing:
                await _run(working, settings, step, migrations[step].replace("{schema}", settings.quoted))
        except asyncpg.InsufficientPrivilegeError as error:
            why = f"{describe(error)}, and so it can't migrate schema {settings.schema!r}"
            raise NotPermitted(settings.where, why) from error
    return max(latest, *(step.number for step in done), 0)


async def _prepare(connection: Connection, schema: str) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
        await connection.execute(f"CREATE SCHEMA {quote_name(schema)}")
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {quote_name(schema)}.migrations (number integer, post boolean, "
        "at timestamptz NOT NULL DEFAULT now(), CONSTRAINT migrations_step PRIMARY KEY (number, post))"
    )


async def _run(working: Connection, settings: Settings, step: Step, text: str) -> None:
    note = f"INSERT INTO {settings.quoted}.migrations (number, post) VALUES ({step.number}, {step.post})"
    if is_apart(text):
        await _run_apart(working, settings, [*statements_of(text), note])
        return
    for _ in range(_TRIES):
        try:
            async with working.transaction():
                await working.execute(f"SET LOCAL lock_timeout = {round(_LOCK * 1000)}")
                await working.execute(note)  # first: of two who lost their lock, the second waits here, and fails
                await working.execute(text)
            return
        except asyncpg.LockNotAvailableError:
            await working.execute(f"SELECT pg_sleep({_PAUSE})")
    raise StoreBusy(settings.where, _TRIES * (_LOCK + _PAUSE))


async def _run_apart(working: Connection, settings: Settings, statements: Sequence[str]) -> None:
    """These wait for every transaction that was there before, as long as that takes, and nobody waits for them. Where
    this process is killed, the server ends its statement, and does not go on for nobody."""
    if not settings.pooler:
        await working.execute("SET lock_timeout = 0")
        await working.execute(
            "SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
        )
    for statement in statements:
        await working.execute(statement)


async def check_server(connection: Connection) -> str | None:
    """What is wrong with the server, if anything is."""
    version = int(await connection.fetchval("SHOW server_version_num"))
    if version < _LEAST_SERVER:
        return f"its server is Postgres {version // 10_000}; 13 or newer is needed"
    return None
