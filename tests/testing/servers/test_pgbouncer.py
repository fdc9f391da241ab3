"""A PgBouncer of one's own: it pools by the transaction, in front of the database that is asked for."""

import os
from pathlib import Path

import pytest

from headrace.testing.servers import owned
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.pgbouncer import PgBouncer

BACKEND = "SELECT pg_backend_pid()"


def test_it_leads_to_the_database_that_is_asked_for(
    pgbouncer: PgBouncer, postgres_server: Postgres, fresh_postgres: str
) -> None:
    name = fresh_postgres.rpartition("/")[2]
    assert pgbouncer.url(name) != fresh_postgres
    assert pgbouncer.run_sql("SELECT current_database()", name) == name
    postgres_server.drop_database(fresh_postgres)


def test_connections_are_shared_by_the_transaction(pgbouncer: PgBouncer, fresh_postgres: str) -> None:
    name = fresh_postgres.rpartition("/")[2]
    assert pgbouncer.run_sql(BACKEND, name) == pgbouncer.run_sql(BACKEND, name)
    assert "transaction" in pgbouncer.run_sql("SHOW CONFIG", "pgbouncer")


def test_both_urls_are_those_of_one_database(postgres_url: str, postgres_server: Postgres) -> None:
    name = postgres_url.rpartition("/")[2]
    assert postgres_server.url(name) == postgres_url
    assert postgres_server.run_sql("SELECT current_database()", name) == name


def test_it_is_restarted_and_leaves_nothing(
    pgbouncer: PgBouncer, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ports = owned.free_port, [pgbouncer.port]
    monkeypatch.setattr(owned, "free_port", lambda: ports.pop() if ports else real())
    with PgBouncer.start(postgres_server, pool_size=2) as pool:
        assert pool.port != pgbouncer.port
        before, port = pool.pid, pool.port
        pool.restart()
        assert pool.pid not in (None, before)
        assert pool.port == port
        assert pool.run_sql("SELECT 1", "postgres") == "1"
        assert os.geteuid() != 0 or Path(f"/proc/{pool.pid}").stat().st_uid != 0
        folder, pid = pool.folder, pool.pid
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_it_hands_on_the_user_and_the_password_of_a_server_elsewhere(postgres_server: Postgres) -> None:
    postgres_server.run_sql("""DROP ROLE IF EXISTS "o'hara"; CREATE ROLE "o'hara" LOGIN PASSWORD 'a "b" :@'""")
    elsewhere = Postgres(postgres_server.url("postgres", "o'hara", 'a "b" :@'))
    with PgBouncer.start(elsewhere) as pool:
        assert '"a ""b"" :@"' in (pool.folder / "users").read_text()
        assert pool.run_sql("SELECT current_user") == "o'hara"
    postgres_server.run_sql("""DROP ROLE "o'hara" """)
