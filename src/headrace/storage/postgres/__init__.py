"""Jobs in a schema of a Postgres database: for many processes on many machines."""

from headrace.storage.postgres.storage import PostgresStorage

__all__ = ["PostgresStorage"]
