"""Brings a schema to the latest number: forward only, one migrator at a time, each file by itself, so that one that was
killed goes on where it stopped.

``0002.pre.sql`` may run while older versions work on the store; ``0002.post.sql`` takes away what only they need. A
file that begins with ``-- statement by statement`` runs outside a transaction, for what the server does only there;
each of its statements, which a blank line ends, may be repeated.
"""

from collections.abc import Mapping

from headrace.model.errors import ForeignStore, SchemaTooNew, SchemaTooOld
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.schema import MIGRATIONS, Step

_APART = "-- statement by statement"
_OWN = frozenset({"jobs", "keys", "workers", "records", "timeline"})
_LEAST_SERVER = 130_000


async def find_steps(connection: Connection, schema: str, where: str) -> frozenset[Step]:
    """What has been run there: nothing in a database without such a schema. ForeignStore where it is another's."""
    names = {
        str(row[0])
        for row in await connection.fetch("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1", schema)
    }
    if not names:
        return frozenset()
    if "migrations" not in names or (names & _OWN and "jobs" not in names):
        raise ForeignStore(where, f"its schema {schema!r} holds tables such as {min(names)}")
    rows = await connection.fetch(f"SELECT number, post FROM {schema}.migrations")
    return frozenset(Step(*row) for row in rows)


def check_steps(done: frozenset[Step], where: str, migrations: Mapping[Step, str] = MIGRATIONS) -> None:
    """Whether this version can work there: what is missing must not be, and what was taken away it must not need."""
    latest = max(step.number for step in migrations)
    newer = [step.number for step in done if step.post and step.number > latest]
    if newer:
        raise SchemaTooNew(where, max(newer), latest)
    lacking = [step for step in migrations if not step.post and step not in done]
    if lacking:
        raise SchemaTooOld(where, lacking[0].number - 1, latest)


async def migrate(
    locking: Connection,
    working: Connection,
    schema: str,
    where: str,
    *,
    post: bool,
    migrations: Mapping[Step, str] = MIGRATIONS,
) -> int:
    """Runs what is missing, ``post`` also what comes once no older version works any more; the number reached.

    ``locking`` holds the lock, in a transaction that does nothing else: it needs no session of its own, and holds up
    no statement of ``working``.
    """
    transaction = locking.transaction()
    await transaction.start()
    try:
        await locking.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"headrace migrate {schema}")
        done = await find_steps(working, schema, where)
        newest = max((step.number for step in done if step.post), default=0)
        latest = max(step.number for step in migrations)
        if newest > latest:
            raise SchemaTooNew(where, newest, latest)
        await _prepare(working, schema)
        for step, text in migrations.items():
            if step not in done and (post or not step.post):
                await _run(working, schema, step, text)
        return max(latest, *(step.number for step in done), 0)
    finally:
        await transaction.rollback()


async def _prepare(connection: Connection, schema: str) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
        await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {schema}.migrations (number integer, post boolean, "
        "at timestamptz NOT NULL DEFAULT now(), CONSTRAINT migrations_step PRIMARY KEY (number, post))"
    )


async def _run(connection: Connection, schema: str, step: Step, text: str) -> None:
    note = f"INSERT INTO {schema}.migrations (number, post) VALUES ({step.number}, {step.post})"
    told = text.replace("{schema}", schema)
    if told.startswith(_APART):
        for statement in told.removeprefix(_APART).split("\n\n"):
            if statement.strip():
                await connection.execute(statement)
        await connection.execute(note)
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")  # a lock that is waited for stops all others
        await connection.execute(told)
        await connection.execute(note)


async def check_server(connection: Connection) -> str | None:
    """What is wrong with the server, if anything is."""
    version = int(await connection.fetchval("SHOW server_version_num"))
    if version < _LEAST_SERVER:
        return f"its server is Postgres {version // 10_000}; 13 or newer is needed"
    return None
