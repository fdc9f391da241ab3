"""The app on the storage of a version that is still to come: its schema has a column and an index more."""

from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.schema import LATEST, MIGRATIONS, Step
from replicas.app import app

NEXT = {
    **MIGRATIONS,
    Step(LATEST + 1, False): "ALTER TABLE {schema}.jobs ADD COLUMN colour text;",
    Step(LATEST + 2, False): "-- statement by statement\n"
    "DROP INDEX CONCURRENTLY IF EXISTS {schema}.jobs_colour;\n\n"
    "CREATE INDEX CONCURRENTLY jobs_colour ON {schema}.jobs (colour);",
    Step(LATEST + 2, True): "ALTER TABLE {schema}.jobs ALTER COLUMN colour SET DEFAULT 'red';",
}

defaults = PostgresStorage.__init__.__kwdefaults__
assert defaults is not None
defaults["migrations"] = NEXT

__all__ = ["app"]
