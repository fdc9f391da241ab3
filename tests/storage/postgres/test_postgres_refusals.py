"""A server that can't be reached, or that refuses: a typed error says what to do, soon, and never tells a password."""

import asyncio
import socket
import traceback
from urllib.parse import urlsplit, urlunsplit

import pytest
from through_a_proxy import SCHEMA, behind, new_job, proxied, storage_at

from headrace.model.errors import HeadraceError, InvalidURL, StoreReadOnly, StoreUnreachable
from headrace.storage.contract import Demand
from headrace.storage.opening import open_url, redact
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import SystemClock
from headrace.testing.servers.daemon import free_port
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.pgbouncer import PgBouncer
from headrace.testing.servers.postgres import PostgresServer

pytestmark = pytest.mark.anyio
SECRET = "pw-of-nobody-else"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def guarded(own_postgres: PostgresServer) -> str:
    """A user who is asked for a password, which is not ours."""
    rules = own_postgres.folder / "data" / "pg_hba.conf"
    if "guarded" not in rules.read_text():
        rules.write_text(f"host all guarded all scram-sha-256\n{rules.read_text()}")
        own_postgres.run_sql("CREATE ROLE guarded LOGIN PASSWORD 'another'")
        own_postgres.restart("immediate")
    return "guarded"


def with_secret(url: str, *, host: str | None = None, path: str | None = None, user: str = "postgres") -> str:
    parts = urlsplit(url)
    where = host or parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{SECRET}@{where}", path=path or parts.path))


async def refused(url: str, patience: float = 0.3) -> str:
    """What is said, with all that is behind it."""
    storage = PostgresStorage(read_url(url, redact(url)), patience=patience)
    try:
        with pytest.raises(StoreUnreachable) as caught:
            await storage.open()
    finally:
        await storage.close()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(storage._settings)
    assert SECRET not in told
    return str(caught.value)


async def test_a_closed_port(postgres_url: str) -> None:
    told = await refused(with_secret(postgres_url, host=f"127.0.0.1:{free_port()}"))
    assert "check host and port of the URL, and whether the server runs" in told


async def test_an_unknown_host_is_said_at_once(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
    async with asyncio.timeout(5.0):
        told = await refused(with_secret(postgres_url, host="nowhere.invalid"), patience=60.0)
    assert "its host is not known (Name or service not known); check the host that the URL names" in told


async def test_an_unknown_database_is_said_at_once(postgres_url: str) -> None:
    async with asyncio.timeout(5.0):
        told = await refused(with_secret(postgres_url, path="/nothing"), patience=60.0)
    assert 'database "nothing" does not exist; check the database that the URL names' in told


async def test_a_wrong_password_is_said_at_once(own_postgres: PostgresServer, guarded: str) -> None:
    async with asyncio.timeout(10.0):
        told = await refused(with_secret(own_postgres.url("postgres"), user=guarded), patience=60.0)
    assert 'password authentication failed for user "guarded"; check the user and the password of the URL' in told


async def test_a_server_that_has_no_connection_to_spare(own_postgres: PostgresServer) -> None:
    """It is named, tried again, and others of the handle are waited for."""
    url = own_postgres.create_database()
    own_postgres.run_sql("DROP ROLE IF EXISTS meager; CREATE ROLE meager LOGIN SUPERUSER")
    truth = storage_at(url)
    await truth.open()
    own_postgres.run_sql("ALTER ROLE meager NOSUPERUSER CONNECTION LIMIT 0; GRANT pg_write_all_data TO meager")
    own_postgres.run_sql(f"GRANT ALL ON SCHEMA {SCHEMA} TO meager", url.rpartition("/")[2])
    own_postgres.run_sql("GRANT pg_read_all_data TO meager")
    poor = own_postgres.url(url.rpartition("/")[2], "meager")
    storage = storage_at(poor, patience=0.3)
    with pytest.raises(StoreUnreachable, match=r"no connection to spare \(53300\): raise its max_connections, lower"):
        await storage.open()
    await storage.close()
    storage = storage_at(poor, patience=5.0, options="notify=off")
    opening = asyncio.ensure_future(storage.open())
    while not hasattr(storage, "_connections") or storage._connections.pace.cause is None:
        await asyncio.wait({opening}, timeout=0.01)
    own_postgres.run_sql("ALTER ROLE meager CONNECTION LIMIT 1")
    await opening
    counts = await asyncio.gather(*(storage.count() for _ in range(10)))
    assert counts == [{}] * 10
    await storage.close()
    await truth.close()


async def test_a_server_that_may_not_be_written(fresh_postgres: str, postgres_server: Postgres) -> None:
    truth, storage = storage_at(fresh_postgres), storage_at(fresh_postgres)
    await truth.open()
    name = fresh_postgres.rpartition("/")[2]
    postgres_server.run_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await storage.open()
    with pytest.raises(StoreReadOnly, match="nothing was changed"):
        await storage.insert([new_job()])
    assert await storage.count() == {}
    await storage.close()
    await truth.close()


async def test_a_pooler_that_the_url_does_not_tell_of(pgbouncer: PgBouncer, fresh_postgres: str) -> None:
    url = pgbouncer.url(fresh_postgres.rpartition("/")[2])
    told = await refused(url)
    assert "add ?pooler=transaction to the URL" in told


async def test_no_password_is_told_by_a_handle_that_was_cut_off(postgres_url: str) -> None:
    async with proxied(postgres_url) as proxy:
        storage = storage_at(with_secret(behind(postgres_url, proxy.port)), patience=0.3)
        await storage.open()
        proxy.refuse()
        proxy.cut()
        for call in (storage.count(), storage.claim("w", [Demand("q", 1)]), storage.insert([new_job()])):
            with pytest.raises(HeadraceError) as caught:
                await call
            assert SECRET not in "".join(traceback.format_exception(caught.value))
        await storage.close()


@pytest.mark.parametrize("spoilt", ["\u2100", "[", "/", "?", "#"])
def test_no_password_is_told_by_a_url_that_is_not_well_formed(spoilt: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        open_url(f"postgresql://u:{SECRET}{spoilt}{SECRET}@host/db", clock=SystemClock())
    assert SECRET not in "".join(traceback.format_exception(caught.value))
