"""What a URL may ask for, and what connections ask of the server."""

import asyncio

import pytest

from headrace.model.errors import InvalidURL
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.settings import read_url
from headrace.testing.servers.databases import Postgres

URL = "postgresql://ann:secret@127.0.0.1:5432/shop"


def test_what_is_ours_is_kept_from_the_driver() -> None:
    settings = read_url(f"{URL}?schema=jobs&notify=off&pool=2&sslmode=require", "-")
    assert settings.dsn == f"{URL}?sslmode=require"
    assert (settings.schema, settings.notify, settings.pool, settings.database) == ("jobs", False, 2, "shop")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("shema=jobs", "shema= is no option"),
        ("schema=Jobs", "schema=Jobs must be"),
        ("schema=pg_jobs", "not begin with pg_"),
        ('schema=a"b', "must be 1 to 48"),
        ("schema=", "must be 1 to 48"),
        ("notify=maybe", "must be one of on, off"),
        ("pool=0", "from 1 to 100"),
        ("pool=many", "from 1 to 100"),
        ("pooler=session", "must be one of none, transaction"),
    ],
)
def test_what_it_may_not_ask(asked: str, why: str) -> None:
    with pytest.raises(InvalidURL, match=why) as refused:
        read_url(f"{URL}?{asked}", "postgresql://ann:***@127.0.0.1:5432/shop")
    assert "secret" not in str(refused.value)


def test_its_password_is_in_no_repr() -> None:
    settings = read_url(URL, "postgresql://ann:***@127.0.0.1:5432/shop")
    assert "secret" not in repr(settings)
    assert "***" in repr(settings)


def test_a_schema_may_have_a_name_that_is_a_word_of_sql(fresh_postgres: str) -> None:
    async def use() -> int:
        storage = PostgresStorage(read_url(f"{fresh_postgres}?schema=user", fresh_postgres))
        await storage.open()
        try:
            return len(await storage.count())
        finally:
            await storage.close()

    assert asyncio.run(use()) == 0


def test_commits_wait_for_the_disk_whatever_the_server_says(fresh_postgres: str, postgres_server: Postgres) -> None:
    name = fresh_postgres.rpartition("/")[2]
    postgres_server.run_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")

    async def ask() -> set[str]:
        storage = PostgresStorage(read_url(fresh_postgres, fresh_postgres))
        await storage.open()
        try:
            asked = [storage._driver.hold(lambda own: own.fetchval("SHOW synchronous_commit")) for _ in range(3)]
            return set(await asyncio.gather(*asked))
        finally:
            await storage.close()

    assert asyncio.run(ask()) == {"on"}
