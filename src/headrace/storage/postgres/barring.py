"""Triggers that refuse every write but those of a move. They stand in the schema, and so stop whoever is connected, of
whatever version; and a store that was never moved has none, and pays nothing for them."""

from headrace.model.errors import StoreMoved
from headrace.model.mark import PREFIX
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.statement import Statement, Steps

STATE = "HRMVD"
"""The SQLSTATE of a refusal: one of our own."""
_MOVING = load_queries("moving")
_TABLES = ("jobs", "keys", "records", "workers", "timeline")


def bar(why: str) -> Steps[None]:
    """From the commit on, whoever writes is told this. Whoever calls has locked the tables."""
    text = (PREFIX + why).replace("'", "''")
    yield Statement(
        "CREATE OR REPLACE FUNCTION {schema}.refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
        f"RAISE EXCEPTION USING ERRCODE = '{STATE}', MESSAGE = '{text}'; END $body$"
    )
    barred = {row[0] for row in (yield Statement(_MOVING["barred"]))}
    for table in _TABLES:
        if table not in barred:
            yield Statement(
                f"CREATE TRIGGER headrace_moved BEFORE INSERT OR UPDATE OR DELETE ON {{schema}}.{table} "
                "FOR EACH STATEMENT WHEN (current_setting('headrace.loading', true) IS DISTINCT FROM 'yes') "
                "EXECUTE FUNCTION {schema}.refuse_moved()"
            )


def unbar() -> Steps[None]:
    """Nobody is stopped any more."""
    for (table,) in (yield Statement(_MOVING["barred"])):
        yield Statement(f"DROP TRIGGER headrace_moved ON {{schema}}.{table}")


def refused(error: BaseException, where: str) -> StoreMoved | None:
    """What a trigger's word means, whichever driver has brought it; None where it is none."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state != STATE:
        return None
    text = str(error).strip().partition("\n")[0]
    return StoreMoved(where, text.removeprefix(PREFIX))
