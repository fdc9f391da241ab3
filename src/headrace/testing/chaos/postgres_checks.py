"""Whether a store in Postgres is whole: its indexes and pages, and what must hold between its rows."""

from collections.abc import Mapping

from headrace.model.state import FINAL
from headrace.testing.servers.daemon import ServerFailed
from headrace.testing.servers.databases import Postgres

_SCHEMA = "headrace"
"""As the storage calls it, which is not imported: a run on SQLite must not need the driver of Postgres."""
_SHOWN = 5
_FINAL = ", ".join(f"'{state}'" for state in sorted(FINAL))

_HAS_AMCHECK = "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"
_PAGES = f"""
CREATE EXTENSION IF NOT EXISTS amcheck;
SELECT found.relname || ' block ' || blkno || ': ' || msg FROM pg_class AS found
CROSS JOIN LATERAL verify_heapam(found.oid)
WHERE found.relnamespace = '{_SCHEMA}'::regnamespace AND found.relkind = 'r' LIMIT {_SHOWN};
SELECT bt_index_check(index, true) FROM (
    SELECT indexrelid::regclass AS index FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_am ON pg_am.oid = pg_class.relam
    WHERE relnamespace = '{_SCHEMA}'::regnamespace AND amname = 'btree'
) AS indexes;
"""
"""Each row in each index, too: a row that an index has lost is never claimed. What is wrong there is an error."""

_RULES: Mapping[str, str] = {
    "a final state without an end, or an end without a final state": f"""
        SELECT id FROM jobs WHERE (state IN ({_FINAL})) <> (finished_at IS NOT NULL)""",
    "an end before the beginning": """
        SELECT id FROM jobs WHERE finished_at < started_at OR started_at < enqueued_at""",
    "a running job of nobody": """
        SELECT id FROM jobs WHERE state = 'running' AND (worker IS NULL OR started_at IS NULL)""",
    "more attempts than claims": """
        SELECT id FROM jobs WHERE attempt > generation""",
    "one id, several rows": """
        SELECT id FROM jobs GROUP BY id HAVING count(*) > 1""",
    "one key, several holders": """
        SELECT queue || ' ' || key FROM keys GROUP BY queue, key HAVING count(*) > 1""",
    "a key that no job can give up any more": """
        SELECT keys.queue || ' ' || keys.key FROM keys LEFT JOIN jobs ON jobs.id = keys.job_id
        WHERE keys.ends_at IS NULL AND (
            jobs.id IS NULL OR jobs.finished_at IS NOT NULL OR jobs.key IS DISTINCT FROM keys.key
            OR jobs.queue <> keys.queue OR (jobs.until = 'claimed' AND jobs.state = 'running')
        )""",
    "a job without the key that it must hold": """
        SELECT jobs.id FROM jobs LEFT JOIN keys ON keys.job_id = jobs.id
        WHERE jobs.finished_at IS NULL AND jobs.key IS NOT NULL AND jobs.until IS DISTINCT FROM 'window'
        AND keys.job_id IS NULL""",
}


def find_damage(server: Postgres, database: str) -> str:
    """``ok``, or what is broken. Asked when nobody else is connected."""
    try:
        found = []
        if server.run_sql(_HAS_AMCHECK, database) == "1":
            found += [line for line in server.run_sql(_PAGES, database).splitlines() if line.strip()]
        found += [f"{what}: {ids}" for what, rule in _RULES.items() if (ids := _offenders(server, database, rule))]
    except ServerFailed as error:
        return str(error)
    return "; ".join(found) or "ok"


def _offenders(server: Postgres, database: str, rule: str) -> str:
    """By the rows alone: no index may hide one."""
    by_rows = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;"
    answer = server.run_sql(f"SET search_path = {_SCHEMA}; {by_rows} {rule} LIMIT {_SHOWN}", database)
    return ", ".join(answer.split("\n")) if answer else ""
